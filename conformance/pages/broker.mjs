// A broker of our own, on free ports, with a folder that goes with it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export async function startBroker(binary) {
  const folder = await mkdtemp(join(tmpdir(), 'warren-pages-'));
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WARREN_')));
  const arguments_ = ['serve', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--data-dir', join(folder, 'data')];
  const child = spawn(binary, arguments_, { env: environment, cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(lines, 'line').then(([line]) => line), ended.then(([code]) => Promise.reject(new Error(`the broker ended with ${code}`)))]);
  const address = (name) => first.split(' ').find((word) => word.startsWith(`${name}=`)).slice(name.length + 1);
  const url = `http://${address('http')}`;
  return {
    url,
    amqp: `amqp://guest:guest@${address('amqp')}/`,
    // Asks the API as guest; gives what it answers.
    async api(method, path, body, { user = 'guest:guest', expect = true } = {}) {
      const headers = { authorization: `Basic ${Buffer.from(user).toString('base64')}` };
      const response = await fetch(url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      const text = await response.text();
      if (expect && !response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text ? JSON.parse(text) : null;
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      await rm(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the broker ended with ${code}`);
    },
  };
}
