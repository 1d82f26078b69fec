// The form to sign in, which also stands where a session was over.

import { h } from '../dom.js';
import { field } from '../ui.js';

export function signIn(reason, enter) {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const go = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const submit = async (event) => {
    event.preventDefault();
    problem.textContent = '';
    go.disabled = true;
    const data = new FormData(event.target);
    try {
      await enter(data.get('user'), data.get('password'));
    } catch (error) {
      problem.textContent = words(error);
      event.target.querySelector('[name=password]').value = '';
      event.target.querySelector('[name=user]').focus();
    } finally {
      go.disabled = false;
    }
  };
  return h(
    'main',
    { id: 'main', class: 'sign-in' },
    h('h1', null, 'Warren'),
    reason && h('p', { class: 'reason', role: 'status' }, reason),
    h(
      'form',
      { class: 'form', on: { submit } },
      field('User', 'user', { autocomplete: 'username', required: true, autocapitalize: 'none' }),
      field('Password', 'password', { kind: 'password', autocomplete: 'current-password' }),
      problem,
      h('div', { class: 'form-end' }, go),
    ),
  );
}

function words(error) {
  if (error.error === 'not_logged_in') {
    return 'User or password is wrong, or this user may not sign in from your address.';
  }
  if (error.message === 'Not management user') {
    return 'This user has no tag that opens the pages: management, policymaker, monitoring or administrator.';
  }
  return error.message;
}
