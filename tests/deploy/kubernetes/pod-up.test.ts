import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SECRETS } from '../../../src/config/child-env.ts';
import { bash } from '../../support/steps.ts';
import { ENCRYPTION_KEY } from './build.ts';
import {
  BOTH,
  container,
  failuresInARow,
  isReady,
  kindsOf,
  limitMemory,
  memoryOf,
  memoryUsed,
  POLL,
  passes,
  processOf,
  running,
  sh,
  startsOf,
  toolOutputs,
} from './observe.ts';
import { quantity } from './pod-spec.ts';
import { absent, startWorld, type World } from './world.ts';

vi.setConfig({ testTimeout: 300_000 });

/** Takes memory until it is killed; gives up with code 3 before OpenCode's time limit of a command. */
const GREEDY = `const all = [], end = Date.now() + 90_000;
while (Date.now() < end) all.push(Buffer.alloc(1e8, 1));
process.exit(3)`;

beforeEach(({ skip }) => skip(absent !== undefined, absent));

describe('the pod of overlays/standalone, with both components', () => {
  let world: World;
  beforeAll(async () => {
    if (absent === undefined) world = await startWorld('standalone');
  });
  afterAll(() => world?.remove());

  it('starts, and every probe passes from the node', async () => {
    await expect.poll(() => passes(world, 'opencode-bridge', 'startupProbe'), POLL).toBe(true);
    await isReady(world);
    for (const name of BOTH) await expect.poll(() => passes(world, name, 'livenessProbe'), POLL).toBe(true);
  });

  it.each(BOTH)('%s has no right that it does not need, as the kernel says', async (name) => {
    const status = await sh(world, name, 'cat /proc/self/status; id');
    expect(status).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    expect(status).toContain('gid=1000');
    expect(
      await sh(world, name, 'echo x > /etc/x || echo x > /app/x || echo x > /usr/local/x; echo $?'),
    ).toMatch(/2$|1$/);
  });

  it('a task cannot see what belongs to the bridge', async () => {
    const seen = await sh(
      world,
      'opencode-server',
      'env; ls / /run/secrets 2>&1; cat /proc/[0-9]*/environ | tr "\\0" "\\n"',
    );
    expect(seen).toContain('OPENCODE_SERVER_PASSWORD=');
    for (const name of SECRETS.filter((each) => each !== 'OPENCODE_SERVER_PASSWORD'))
      expect(seen).not.toContain(name);
    expect(seen).not.toMatch(/^data$/m);
    expect(seen).not.toContain('encryption-key');
    expect(await sh(world, 'opencode-bridge', 'cat "$ENCRYPTION_KEY_FILE"')).toBe(ENCRYPTION_KEY.trim());
  });

  it('OpenCode is not to be had from outside of the pod, and the bridge not without a token', async () => {
    await expect(fetch(`http://${world.pod.ip}:3100/global/health`)).rejects.toThrow();
    expect((await world.bridge({ authorization: 'Bearer wrong' }).get('/tasks')).status).toBe(401);
    const metrics = (token: string) =>
      fetch(`http://${world.pod.ip}:3500/metrics`, { headers: { authorization: `Bearer ${token}` } });
    expect((await metrics('of-prometheus')).status).toBe(200);
    expect((await metrics('wrong')).status).toBe(401);
    const byName = async (host: string) => {
      const [answer] = await once(
        get({ host: world.pod.ip, port: 3500, path: '/health', headers: { host } }),
        'response',
      );
      answer.resume();
      return answer.statusCode;
    };
    expect(await byName('opencode-bridge.coding.svc:3500')).toBe(200);
    expect(await byName('rebound.example:3500')).toBe(403);
  });

  it('a task that fills the memory folder of its container gets an error, and nothing ends', async () => {
    const fill = 'head -c 1200000000 /dev/zero > /tmp/full; echo "code $?"; rm /tmp/full';
    expect(await sh(world, 'opencode-server', fill)).toMatch(/No space left on device\s*code 1/);
    for (const name of BOTH) expect(await passes(world, name, 'livenessProbe')).toBe(true);
  });

  it('a command that takes all the memory of its container is killed, and nothing else', async () => {
    const name = 'opencode-server';
    const starts = await startsOf(world);
    const { limit, kills } = await memoryOf(world, name);
    expect(limit).toBe(quantity(container(world, name).resources?.limits.memory ?? ''));
    // The first session takes memory of its own.
    expect(await world.ended(await world.run([{ text: 'Warm.' }]))).toMatchObject({ status: 'completed' });
    // To fill what the manifest allows takes a busy machine longer than OpenCode lets a command run.
    await limitMemory(world, name, Math.min(limit, (await memoryUsed(world, name)) + 800_000_000));
    // The kernel takes the process with the highest score, so that it need not be the largest one at that moment.
    const greedy = `(echo 1000 > /proc/self/oom_score_adj; exec node -e '${GREEDY}'); echo "code $?"`;
    const task = await world.run([bash(greedy), { text: 'Survived.' }]);
    const ended = await world.ended(task);
    const said = await toolOutputs(world, task);
    expect(ended, said).toMatchObject({ status: 'completed', result: { summary: 'Survived.' } });
    expect(said).toContain('code 137');
    expect(await startsOf(world), said).toEqual(starts);
    expect((await memoryOf(world, name)).kills, said).toBe(kills + 1);
    await limitMemory(world, name, limit);
  });

  it('a task is completed, and its files are in the workspace of both containers', async () => {
    const { task, folder } = await running(world);
    await writeFile(join(folder, 'go'), '');
    expect(await world.ended(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'Done in the pod.' },
    });
    for (const name of BOTH)
      expect(await sh(world, name, `cat /workspace/${basename(folder)}/went`)).toBe('went');
  });

  it('load makes no liveness probe fail as often as a restart needs', async () => {
    // Bounded, so that it ends by itself, and does not keep the last task from its start.
    const burn = bash('node -e "const end = Date.now() + 3000; while (Date.now() < end);"');
    const finish = async () => world.ended(await world.run([burn, burn, { text: 'Burnt.' }]));
    let isBusy = true;
    const work = Promise.all(Array.from({ length: 8 }, finish)).finally(() => {
      isBusy = false;
    });
    const most = await Promise.all(BOTH.map((name) => failuresInARow(world, name, () => isBusy)));
    expect((await work).map(({ status }) => status)).toEqual(Array(8).fill('completed'));
    for (const [index, name] of BOTH.entries())
      expect(most[index]).toBeLessThan(container(world, name).livenessProbe?.failureThreshold ?? 0);
  });

  it('the liveness of OpenCode fails while it hangs; without it the bridge lives, says so, and is not ready', async () => {
    const opencode = await processOf(world, 'opencode-server', /^opencode serve/);
    process.kill(opencode, 'SIGSTOP');
    // The probe takes as long as it may.
    const [isAlive] = await Promise.all([
      passes(world, 'opencode-server', 'livenessProbe'),
      expect.poll(() => passes(world, 'opencode-bridge', 'readinessProbe'), POLL).toBe(false),
    ]);
    expect(isAlive).toBe(false);
    expect(await passes(world, 'opencode-bridge', 'livenessProbe')).toBe(true);
    expect((await world.bridge().get('/tasks')).status).toBe(200);
    process.kill(opencode, 'SIGCONT');
    await isReady(world);
    expect(await passes(world, 'opencode-server', 'livenessProbe')).toBe(true);
  });

  // The pod of the cases before: each of these starts it, or a part of it, again.
  it('a pod that is deleted lets a running task end: OpenCode outlives the bridge', async () => {
    const { task, folder } = await running(world);
    const stopped = world.pod.stop();
    await expect.poll(() => passes(world, 'opencode-bridge', 'readinessProbe'), POLL).toBe(false);
    await writeFile(join(folder, 'go'), '');
    await stopped;
    await world.pod.start();
    await isReady(world);
    expect(await world.ended(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'Done in the pod.' },
    });
    const kinds = await kindsOf(world, task);
    expect(kinds.filter((kind) => kind.startsWith('warning') || kind === 'resumed')).toEqual([]);
  });

  it('a pod whose node is lost comes back, and the task of that time ends', async () => {
    const { task, folder } = await running(world);
    const plugins = '~/.config/opencode/plugins';
    await sh(world, 'opencode-server', `mkdir -p ${plugins}; echo planted > ${plugins}/by-a-task.js`);
    await world.pod.kill();
    await world.pod.start();
    await isReady(world);
    expect(await sh(world, 'opencode-server', `cat ${plugins}/*`)).toContain('No such file');
    await writeFile(join(folder, 'go'), '');
    // The scripted model repeats what it is told: the agent goes on from there.
    expect(await world.ended(task)).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringContaining('was restarted in the middle of your work') },
    });
    expect(await kindsOf(world, task)).toContain('warning ENGINE_LOST');
    expect(await sh(world, 'opencode-bridge', `cat /workspace/${basename(folder)}/of.txt`)).toBe('the pod');
  });

  it('OpenCode that ends is started again beside the bridge', async () => {
    const { task, folder } = await running(world);
    process.kill(await processOf(world, 'opencode-server', /^tini/), 'SIGKILL');
    await writeFile(join(folder, 'go'), '');
    expect(await world.ended(task)).toMatchObject({ status: 'completed' });
  });
});

describe('the pod of overlays/sidecar', () => {
  let world: World;
  beforeAll(async () => {
    if (absent === undefined) world = await startWorld('sidecar');
  });
  afterAll(() => world?.remove());

  it('serves the task API at port 3003, with the workspace of the other container', async () => {
    await isReady(world);
    const { task, folder } = await running(world);
    expect(await sh(world, 'file-browser', `cat /workspace/${basename(folder)}/began; ls /data`)).toMatch(
      /^began\n.*No such file/,
    );
    await writeFile(join(folder, 'go'), '');
    expect(await world.ended(task)).toMatchObject({ status: 'completed' });
    expect(await (await fetch(`http://${world.pod.ip}:3003/health`)).json()).toMatchObject({
      project_id: 'example',
    });
  });
});
