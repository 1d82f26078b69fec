// Publishing one message to any exchange.

import { publishForm } from '../publish_form.js';
import { panel } from '../ui.js';

export function view(context) {
  const start = { exchange: context.query.get('exchange') ?? '', key: context.query.get('key') ?? '' };
  return { title: 'Publish', node: panel('One message', publishForm({ start }, context)) };
}
