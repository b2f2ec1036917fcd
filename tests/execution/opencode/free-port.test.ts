import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { claimPort, freePort } from '../../../src/runners/opencode-server/free-port.ts';

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range';

it('is one that can be listened on, and that no outgoing connection gets', async () => {
  const outgoing = existsSync(RANGE) ? Number(readFileSync(RANGE, 'utf8').split(/\s/)[0]) : 32_768;
  for (let n = 0; n < 20; n += 1) {
    const port = await freePort();
    expect(port).toBeLessThan(outgoing);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  }
});

it('is given to nobody else while this process lives, although nothing listens there yet', async () => {
  const port = await freePort();
  expect(await claimPort(port)).toBe(false);
  const module = new URL('../../../src/runners/opencode-server/free-port.ts', import.meta.url);
  const script = `console.log(await (await import(${JSON.stringify(module.href)})).claimPort(${port}))`;
  const other = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(other.stdout.trim(), other.stderr).toBe('false');
});
