// The pages: where each is, who may see it, and the module that shows it. `needs` names a flag of the session.

export const routes = [
  { name: 'overview', title: 'Overview', group: '', load: () => import('./views/overview.js') },
  { name: 'queues', title: 'Queues', group: 'Messages', load: () => import('./views/queues.js') },
  { name: 'exchanges', title: 'Exchanges', group: 'Messages', load: () => import('./views/exchanges.js') },
  { name: 'publish', title: 'Publish', group: 'Messages', load: () => import('./views/publish.js') },
  { name: 'routes', title: 'Route tester', group: 'Messages', load: () => import('./views/route_tester.js') },
  { name: 'dead-letters', title: 'Dead letters', group: 'Messages', load: () => import('./views/dead_letters.js') },
  { name: 'connections', title: 'Connections', group: 'Clients', load: () => import('./views/connections.js') },
  { name: 'channels', title: 'Channels', group: 'Clients', load: () => import('./views/channels.js') },
  { name: 'vhosts', title: 'Virtual hosts', group: 'Settings', load: () => import('./views/vhosts.js') },
  { name: 'users', title: 'Users', group: 'Settings', needs: 'is_administrator', load: () => import('./views/users.js') },
  { name: 'policies', title: 'Policies', group: 'Settings', needs: 'is_policymaker', load: () => import('./views/policies.js') },
  { name: 'definitions', title: 'Definitions', group: 'Settings', needs: 'is_administrator', load: () => import('./views/definitions.js') },
  { name: 'log', title: 'Live log', group: 'Settings', needs: 'is_monitor', load: () => import('./views/log.js') },
];
