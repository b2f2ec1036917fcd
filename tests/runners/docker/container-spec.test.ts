import { describe, expect, it } from 'vitest';
import {
  type ContainerLimits,
  type ContainerOptions,
  containerName,
  containerSpec,
} from '../../../src/runners/docker/container-spec.ts';

const ORDER: ContainerOptions = {
  bridgeId: 'b1',
  taskId: 'task_1',
  agentId: 'me',
  directory: '/srv/a folder:with colon',
  dataDir: '/data/s/data',
  promptFile: '/data/s/prompts/p',
  user: '1000:1001',
};
const LIMITS: ContainerLimits = {
  image: 'runner',
  cpus: 1.5,
  memoryBytes: 1_000_000_000,
  pids: 99,
  network: 'none',
  env: { ANTHROPIC_API_KEY: 'secret', HOME: '/root' },
  permissions: 'allow',
};

describe('the container of a turn', () => {
  it('denies the tools of a bridge, in addition to what the operator denies', () => {
    const permission = (given: Record<string, string>) => {
      const { Env = [] } = containerSpec(ORDER, { ...LIMITS, env: given });
      const [value = ''] = Env.flatMap((line) => /^OPENCODE_PERMISSION=(.*)$/.exec(line)?.[1] ?? []);
      return JSON.parse(value);
    };
    const denied = { '*_opencode_execute_task': 'deny', '*_answer_task_request': 'deny' };
    expect(permission({})).toMatchObject(denied);
    const given = { OPENCODE_PERMISSION: '{"bash":{"rm *":"deny"},"*_opencode_execute_task":"allow"}' };
    expect(permission(given)).toMatchObject({ bash: { 'rm *': 'deny' }, ...denied });
    expect(() => permission({ OPENCODE_PERMISSION: '[' })).toThrow(
      'OPENCODE_PERMISSION is not a JSON object.',
    );
  });

  it('has limits and no privileges', () => {
    expect(containerSpec(ORDER, LIMITS)).toMatchObject({
      Image: 'runner',
      User: '1000:1001',
      WorkingDir: ORDER.directory,
      HostConfig: {
        NanoCpus: 1_500_000_000,
        Memory: 1_000_000_000,
        MemorySwap: 1_000_000_000,
        PidsLimit: 99,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        Init: true,
      },
    });
  });

  it('mounts three paths of the host, the prompt read-only', () => {
    expect(containerSpec(ORDER, LIMITS).HostConfig?.Mounts).toEqual([
      { Type: 'bind', Source: ORDER.directory, Target: ORDER.directory, ReadOnly: false },
      { Type: 'bind', Source: '/data/s/data', Target: '/opencode/data', ReadOnly: false },
      { Type: 'bind', Source: '/data/s/prompts/p', Target: '/opencode/prompt', ReadOnly: true },
    ]);
  });

  it('gets the configured variables with a home of its own; none is in a label or an argument', () => {
    const { Env, ...rest } = containerSpec(ORDER, LIMITS);
    expect(Env).toEqual(expect.arrayContaining(['ANTHROPIC_API_KEY=secret', 'HOME=/home/agent']));
    expect(Env).not.toContain('HOME=/root');
    expect(JSON.stringify(rest)).not.toContain('secret');
  });

  it('has options for the runtime of OpenCode, which only those of the operator outlive', () => {
    const env = { BUN_JSC_useFTLJIT: '1' };
    const { Env, Entrypoint } = containerSpec(ORDER, { ...LIMITS, env });
    expect(Env).toEqual(expect.arrayContaining(['BUN_JSC_useFTLJIT=1', 'BUN_JSC_largeHeapSize=268435456']));
    const [, removed = '[]'] = /of (\[.*?\])/.exec(Entrypoint?.[2] ?? '') ?? [];
    expect(JSON.parse(removed)).toEqual(
      expect.arrayContaining(['BUN_INSPECT_PRELOAD', 'BUN_JSC_forceRAMSize', 'BUN_JSC_largeHeapSize']),
    );
    expect(JSON.parse(removed)).not.toContain('BUN_JSC_useFTLJIT');
  });

  it.each([
    [{}, LIMITS, ['--title', 'task_1', '--auto']],
    [{ session: 'ses_1' }, LIMITS, ['--session', 'ses_1', '--auto']],
    [{ model: 'a/b', agent: '-x' }, LIMITS, ['--title', 'task_1', '--model', 'a/b', '--agent=-x', '--auto']],
    [{}, { ...LIMITS, permissions: 'reject' as const }, ['--title', 'task_1']],
  ])('with %j it runs the CLI with %#', (order, limits, flags) => {
    const spec = containerSpec({ ...ORDER, ...order }, limits);
    expect(spec.Cmd).toEqual(['opencode', 'run', '--format', 'json', ...flags]);
  });

  it('has a name that depends on its bridge and prompt alone', () => {
    expect(containerName('b1', 'task_1:1')).toBe(containerName('b1', 'task_1:1'));
    const names = [containerName('b1', 'k'), containerName('b2', 'k'), containerName('b1', 'l')];
    expect(new Set(names).size).toBe(3);
    expect(names[0]).toMatch(/^letta-task-[0-9a-f]{24}$/);
  });
});
