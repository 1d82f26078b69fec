"""Limits of vhosts and users, set over the management API."""

from scenario import scenario


@scenario("vhost-limit/max-queues")
def max_queues(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-queues", body={"value": 1})
    channel = s.channel(vhost=vhost)
    channel.queue(s.name("a"), quiet=False)
    channel.queue(s.name("a"), quiet=False)
    channel.queue(s.name("b"), quiet=False)
    again = s.channel(vhost=vhost)
    s.api.put("vhost-limits", vhost, "max-queues", body={"value": -1})
    again.queue(s.name("b"), quiet=False)


@scenario("vhost-limit/max-connections")
def max_connections(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-connections", body={"value": 1})
    s.connect(vhost=vhost).channel()
    s.connect(vhost=vhost)


@scenario("vhost-limit/no-connections")
def no_connections(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-connections", body={"value": 0})
    s.connect(vhost=vhost)


@scenario("vhost-limit/lifted")
def lifted(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-connections", body={"value": 0})
    s.api.delete("vhost-limits", vhost, "max-connections")
    s.connect(vhost=vhost).channel()


@scenario("vhost-limit/unknown")
def unknown(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-exchanges", body={"value": 1})


@scenario("vhost-limit/no-number")
def no_number(s):
    vhost = s.api.vhost(s.name("v"))
    s.api.put("vhost-limits", vhost, "max-queues", body={"value": "few"})


def user(s):
    """A user of the scenario's own, with its name as password."""
    name = s.name("u")
    s.api.put("users", name, body={"password": name, "tags": ""}, quiet=True)
    all_rights = {"configure": ".*", "write": ".*", "read": ".*"}
    s.api.call("PUT", "permissions", "/", name, body=all_rights, quiet=True)
    return name


@scenario("user-limit/max-connections")
def user_connections(s):
    name = user(s)
    s.api.put("user-limits", name, "max-connections", body={"value": 1})
    s.connect(user=name).channel()
    s.connect(user=name)


@scenario("user-limit/max-channels")
def user_channels(s):
    name = user(s)
    s.api.put("user-limits", name, "max-channels", body={"value": 1})
    connection = s.connect(user=name)
    connection.channel()
    connection.channel(quiet=False)
    connection.hear_close()


@scenario("user-limit/unknown")
def user_unknown(s):
    name = user(s)
    s.api.put("user-limits", name, "max-queues", body={"value": 1})
