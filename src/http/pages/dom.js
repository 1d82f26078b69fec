// The only way in which elements are made. Text becomes text nodes, so nothing of a name or a message is ever markup.

const SVG = 'http://www.w3.org/2000/svg';

// Names of other broker objects stand in links only after '#', '/' or 'blob:'.
const SAFE_LINK = /^(#|\/(?!\/)|blob:)/;

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'on') {
    for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
  } else if (name === 'value' || name === 'checked' || name === 'selected' || name === 'disabled') {
    node[name] = value;
  } else if (/^on|^style$/i.test(name)) {
    throw new Error(`${name} is no attribute of ours`);
  } else if (name === 'href' && !SAFE_LINK.test(value)) {
    throw new Error('a link must stay here');
  } else {
    node.setAttribute(name, value === true ? '' : String(value));
  }
}

function make(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) set(node, name, value);
  return append(node, children);
}

// An element: h('a', { class: 'link', href: '#/' , on: { click } }, 'text', child, ...).
export function h(tag, properties, ...children) {
  return make(document.createElement(tag), properties, children);
}

// The same in SVG.
export function s(tag, properties, ...children) {
  return make(document.createElementNS(SVG, tag), properties, children);
}

// Puts other children into a node. Whoever has the focus keeps it, if it is there again under the same data-key.
export function fill(node, ...children) {
  const active = document.activeElement;
  const key = node.contains(active) ? active.dataset.key : undefined;
  node.replaceChildren();
  append(node, children);
  if (key !== undefined) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return node;
}

// Whether somebody marks text in a node, which a refresh would undo.
export function isSelected(node) {
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && selection.containsNode(node, true));
}

let last = 0;

// An id for a label or a description.
export function newId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
