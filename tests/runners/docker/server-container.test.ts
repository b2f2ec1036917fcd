import { expect, it } from 'vitest';
import { type ServerContainerOptions, serverSpec } from '../../../src/runners/docker/server-container.ts';

const ORDER: ServerContainerOptions = {
  image: 'sha256:1',
  port: 4096,
  root: '/srv/work',
  user: '1000:1000',
  network: 'bridge',
  username: 'opencode',
  env: { A_KEY: 'secret', HOME: '/root', OPENCODE_SERVER_USERNAME: 'somebody' },
  limits: { cpus: 2, memoryBytes: 2 ** 31, pids: 512 },
};

it("in Docker's bridge network it is published on loopback alone", () => {
  const { Cmd, ExposedPorts, HostConfig } = serverSpec(ORDER);
  expect(Cmd).toEqual(['serve', '--hostname', '0.0.0.0', '--port', '4096']);
  expect(ExposedPorts).toEqual({ '4096/tcp': {} });
  expect(HostConfig).toMatchObject({
    NetworkMode: 'bridge',
    PortBindings: { '4096/tcp': [{ HostIp: '127.0.0.1', HostPort: '4096' }] },
  });
});

it("on the host's network it listens on loopback alone", () => {
  const { Cmd, ExposedPorts, HostConfig } = serverSpec({ ...ORDER, network: 'host' });
  expect(Cmd).toEqual(['serve', '--hostname', '127.0.0.1', '--port', '4096']);
  expect(ExposedPorts).toBeUndefined();
  expect(HostConfig).not.toHaveProperty('PortBindings');
});

it('configured variables are in the environment alone, and replace neither home nor credentials', () => {
  const { Env = [], ...rest } = serverSpec({ ...ORDER, password: 'word' });
  expect(Env).toEqual(
    expect.arrayContaining([
      'A_KEY=secret',
      'HOME=/home/agent',
      'OPENCODE_SERVER_USERNAME=opencode',
      'OPENCODE_SERVER_PASSWORD=word',
    ]),
  );
  expect(Env.filter((entry) => /^(HOME|OPENCODE_SERVER_USERNAME)=/.test(entry))).toHaveLength(2);
  expect(JSON.stringify(rest)).not.toMatch(/secret|word/);
  const { Env: without = [] } = serverSpec(ORDER);
  expect(without.filter((entry) => entry.startsWith('OPENCODE_SERVER_PASSWORD'))).toEqual([]);
});

it('a hidden file is empty for it', () => {
  const { HostConfig } = serverSpec({ ...ORDER, hiddenFiles: ['/srv/work/.env'] });
  expect(HostConfig?.Mounts).toEqual([
    { Type: 'bind', Source: '/srv/work', Target: '/srv/work', ReadOnly: false },
    { Type: 'bind', Source: '/dev/null', Target: '/srv/work/.env', ReadOnly: true },
  ]);
});

it('its log is bounded', () => {
  expect(serverSpec(ORDER).HostConfig?.LogConfig).toMatchObject({
    Type: 'json-file',
    Config: { 'max-size': '10485760', 'max-file': '2' },
  });
});
