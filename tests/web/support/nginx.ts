import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../../src/runners/opencode-server/free-port.ts';
import { tempDir } from '../../support/temp.ts';

const NGINX = '/usr/sbin/nginx';
const PAGE = join(import.meta.dirname, '../../../docs/web.md');
const START_LIMIT_MS = 10_000;

/** The name of the server in docs/web.md. */
export const PUBLIC_NAME = 'bridge.example.org';

/** The reason why no proxy can run here; undefined where one can. */
export const noNginx = existsSync(NGINX) ? undefined : `no ${NGINX}: on Debian apt-get install nginx-light`;

/** The lines for nginx in docs/web.md: the whole server, and what the location below a path has instead. */
async function documented(): Promise<{ server: string; below: string }> {
  const page = await readFile(PAGE, 'utf8');
  const [server = '', below = ''] = [...page.matchAll(/```nginx\n(.*?)```/gs)].map(([, lines = '']) => lines);
  return { server, below };
}

/** Replaces each, and fails where there is nothing to replace. */
function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`docs/web.md has no longer "${from}"`);
    return before.replaceAll(from, to);
  }, text);
}

/**
 * nginx as docs/web.md says, with a self-made certificate, in front of a bridge on this port of 127.0.0.1. With
 * `belowPath` the bridge is at `/bridge/`.
 */
export async function startNginx(bridgePort: string, { belowPath = false } = {}) {
  const folder = await tempDir('nginx-');
  const port = await freePort();
  const certificate = join(folder.path, 'bridge.crt');
  const key = join(folder.path, 'bridge.key');
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${PUBLIC_NAME}`],
    ...['-keyout', key, '-out', certificate],
  ]);
  const { server, below } = await documented();
  const [place = '', pass = ''] = below.split('\n').map((line) => line.trim());
  const prefixed = belowPath
    ? replaced(server, { 'location / {': place, 'proxy_pass http://127.0.0.1:3500;': pass })
    : server;
  const lines = replaced(prefixed, {
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    '/etc/ssl/bridge.crt': certificate,
    '/etc/ssl/bridge.key': key,
    '127.0.0.1:3500': `127.0.0.1:${bridgePort}`,
  });
  const file = join(folder.path, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder.path, name)};`,
  );
  await writeFile(
    file,
    `daemon off; master_process off; pid ${join(folder.path, 'pid')}; error_log stderr;
events {}
http { access_log off; ${temporary.join(' ')}
${lines}
}`,
  );
  const child = spawn(NGINX, ['-p', folder.path, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const exited = once(child, 'exit');
  for (const deadline = Date.now() + START_LIMIT_MS; !(await listens(port)); await sleep(20)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`nginx did not start: ${said}`);
  }
  return {
    url: `https://${PUBLIC_NAME}:${port}${belowPath ? '/bridge' : ''}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await folder.remove();
    },
  };
}

function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((answer) => {
    socket.destroy();
    return answer === true;
  });
}
