// Chromium without a window, watched: what a page may not do fails the check that it happens in.

import { chromium } from 'playwright-core';

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function startBrowser(exists) {
  const executablePath = PATHS.find((path) => path && exists(path));
  if (!executablePath) throw new Error('there is no Chromium: conformance/install pages installs it, or CHROMIUM names one');
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

// A page of its own, signed in or not. `faults` collects what went wrong in it.
export async function newPage(browser, broker, { width = 1280, height = 850, dark = false, login } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', acceptDownloads: true });
  context.setDefaultTimeout(15_000);
  const faults = [];
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const allowed = [];
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !allowed.some((pattern) => pattern.test(text))) faults.push(`console: ${text}`);
  });
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`a script asked: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== broker.url && url.protocol !== 'blob:') faults.push(`asked for ${request.url()}`);
  });
  const watched = {
    page,
    context,
    // A fault that the check itself provokes, such as a refused login.
    allow: (pattern) => allowed.push(pattern),
    open: async (hash) => {
      await page.goto(`${broker.url}/#/${hash}`);
      await page.waitForSelector('main h1');
    },
    signIn: async (user, password) => {
      await page.fill('[name=user]', user);
      await page.fill('[name=password]', password);
      await page.click('button:has-text("Sign in")');
    },
    // Nothing ran that should not, and nothing was refused.
    check: async () => {
      const state = await page.evaluate(() => ({ pwned: window.pwned, violations: window.violations, images: document.images.length }));
      if (state.pwned !== undefined) throw new Error('a name was run as a script');
      if (state.images > 0) throw new Error('a name became an element');
      if (state.violations.length > 0) throw new Error(`the content security policy was broken: ${state.violations.join('; ')}`);
      if (faults.length > 0) throw new Error(faults.splice(0).join('; '));
    },
    close: () => context.close(),
  };
  if (login) {
    await page.goto(`${broker.url}/`);
    await watched.signIn(...login);
    await page.waitForSelector('main h1:has-text("Overview")');
  }
  return watched;
}
