import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionOwners } from '../../../src/runners/shell/connection-owners.ts';

describe.skipIf(process.platform !== 'linux')('who has opened a connection (Linux)', () => {
  const server = createServer({ allowHalfOpen: true });
  const owners = new ConnectionOwners();
  const accepted: Socket[] = [];
  let port: number;

  beforeAll(async () => {
    server.on('connection', (socket) => accepted.push(socket.on('error', () => undefined)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => server.close());

  async function open(): Promise<{ ours: Socket; theirs: Socket }> {
    const theirs = connect(port, '127.0.0.1');
    await once(theirs, 'connect');
    for (;;) {
      const ours = accepted.find(({ remotePort }) => remotePort === theirs.localPort);
      if (ours) return { ours, theirs };
      await turn();
    }
  }
  const ports = ({ remotePort = 0, localPort = 0 }: Socket) => ({ remotePort, localPort });

  it('is known for a process outside of every sandbox, for any number of concurrent calls', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, open));
    expect(await Promise.all(all.map(({ ours }) => owners.isOutside(ports(ours))))).not.toContain(false);
    for (const { ours, theirs } of all) theirs.destroy() && ours.destroy();
  });

  it('is unknown once the client has closed it: its owner could be anybody', async () => {
    const { ours, theirs } = await open();
    const { remotePort, localPort } = ports(ours);
    theirs.end('said and gone');
    theirs.destroy();
    ours.resume();
    await once(ours, 'end');
    expect(await owners.isOutside({ remotePort, localPort })).toBe(false);
    ours.destroy();
  });

  it('is unknown where there is no such connection', async () => {
    expect(await owners.isOutside({ remotePort: 1, localPort: port })).toBe(false);
  });
});
