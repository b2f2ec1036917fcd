import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { textOf } from '../../src/cli/demo/scripted-model/chat.ts';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { ScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import type { Prompt, Run, Runner } from '../../src/runners/runner.ts';
import type { EventLog } from '../../src/store/event-log.ts';
import type { TaskEvent, TaskEventBody } from '../../src/tasks/events.ts';
import { newTaskId } from '../../src/tasks/ids.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { startBridge } from '../support/bridge.ts';
import { engine, startDockerBridge, startScriptedDockerBridge } from '../support/docker.ts';
import { bash, write } from '../support/steps.ts';

/** What a runner needs around it. */
interface World {
  runner: Runner;
  log: EventLog;
  model: ScriptedModel;
  workspaceDir: string;
  close(): Promise<void>;
}

interface Contender {
  title: string;
  name: Runner['name'];
  start: () => Promise<World>;
  absent: string | undefined;
  /** Only what depends on OpenCode: whatever runs in a container, Docker alone freezes, stops and keeps it. */
  ofOpenCodeOnly?: boolean;
}

// The scripted OpenCode is held to the real one here: other suites of Docker mode rely on it.
const WORLDS: Contender[] = [
  { title: 'opencode-server', name: 'opencode-server', start: startBridge, absent: undefined },
  {
    title: 'docker',
    name: 'docker',
    start: startDockerBridge,
    absent: engine.absent,
    ofOpenCodeOnly: true,
  },
  {
    title: 'docker with the scripted OpenCode',
    name: 'docker',
    start: startScriptedDockerBridge,
    absent: engine.absent,
  },
];
const COUNTED = [bash('for i in $(seq 60); do echo $i >> ticks; sleep 0.05; done'), { text: 'Counted.' }];
const FOREVER = [bash('while true; do echo x >> ticks; sleep 0.05; done')];

describe.each(WORLDS)('the runner $title', ({ start, absent, name, ofOpenCodeOnly }) => {
  let world: World;
  const runs: Run[] = [];
  const created: string[] = [];
  beforeAll(async () => {
    if (absent === undefined) world = await start();
  });
  beforeEach((context) => context.skip(absent !== undefined, absent));
  afterAll(async () => {
    for (const id of created) world.log.append(id, { kind: 'cancelled', by: 'test' });
    for (const run of runs) run.close();
    await world?.close();
  });

  /** A task as the log has it, with what a runner told of it. */
  const create = async (before?: { sessionId: string; directory: string }) => {
    const id = newTaskId(Date.now());
    const directory = before?.directory ?? join(world.workspaceDir, id);
    await makeTaskDirectory(directory);
    created.push(id);
    const event = {
      kind: 'created',
      agent_id: 'agent',
      description: 'd',
      runner: name,
      directory,
    } as const;
    const rest = { owns_directory: true, observers: [], timeout_ms: 600_000, session_id: before?.sessionId };
    world.log.create(id, { ...event, ...rest }, 'print');
    world.log.append(id, { kind: 'started' });
    return { id, directory };
  };
  const open = async (id: string) => {
    const events: TaskEventBody[] = [];
    const emit = (...told: TaskEventBody[]): void => {
      events.push(...told);
      world.log.append(id, ...told);
    };
    const past: TaskEvent[] = world.log.store.events(id, 0, 1_000);
    const task = world.log.get(id);
    if (!task) throw new Error(`there is no task ${id}`);
    const run = await world.runner.open(task, { emit, past, signal: AbortSignal.timeout(600_000) });
    runs.push(run);
    const prompt = (text: string, key: string): Prompt => ({
      text,
      key: `${id}:${key}`,
      record: (prompt_id) => emit({ kind: 'attached', session_id: run.sessionId, prompt_id }),
    });
    const ask = (steps: Script, key = '1') => run.turn(prompt(`Please: ${scriptText(steps)}`, key));
    return { run, events, ask, say: (text: string, key = '1') => run.turn(prompt(text, key)) };
  };
  const fresh = async () => {
    const { id, directory } = await create();
    return { id, directory, ...(await open(id)) };
  };
  const ticks = (directory: string) => readFile(join(directory, 'ticks'), 'utf8').catch(() => '');
  const ticking = (directory: string) => vi.waitUntil(() => ticks(directory), { timeout: 120_000 });
  const still = async (directory: string): Promise<boolean> => {
    const before = await ticks(directory);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (await ticks(directory)) === before;
  };
  /** What the model was last told, of the conversation in which somebody said this. */
  const heard = (words: string): string[] => {
    const told = world.model.requests.map(({ messages }) => messages.filter(({ role }) => role !== 'system'));
    return (told.findLast((messages) => messages.some((each) => textOf(each).includes(words))) ?? []).map(
      textOf,
    );
  };

  it('is healthy', async () => {
    await vi.waitUntil(() => world.runner.health().every(({ status }) => status === 'ok'), {
      timeout: 60_000,
    });
    expect(world.runner.name).toBe(name);
  });

  it('runs a turn: told once, recorded before it leaves, with its outcome', async () => {
    const { events, ask } = await fresh();
    const outcome = await ask([write('a.txt', 'hi\n'), bash('cat a.txt; exit 3'), { text: 'Done.' }]);
    // A turn is a program of its own in Docker mode alone.
    const exit = name === 'docker' ? { exitCode: 0 } : {};
    expect(outcome).toEqual({ kind: 'completed', summary: 'Done.', finish: 'stop', ...exit });
    expect(events[0]).toMatchObject({ kind: 'attached' });
    const told = events.filter((event) => event.kind !== 'tool' || event.phase === 'finished');
    expect(told.filter(({ kind }) => kind !== 'usage')).toMatchObject([
      { kind: 'attached' },
      { kind: 'tool', tool: 'write', ok: true },
      { kind: 'file_changed', path: 'a.txt', tool: 'write' },
      { kind: 'tool', tool: 'bash', ok: false, exit_code: 3, output: 'hi\n', title: 'cat a.txt; exit 3' },
      { kind: 'output', text: 'Done.' },
    ]);
    expect(told.findLast(({ kind }) => kind === 'usage')).toMatchObject({
      usage: { input_tokens: 300, output_tokens: 60, cost_usd: 0.00042 },
    });
  });

  it('goes on in the same session, in a second turn and in another task', async () => {
    const { id, directory, run, ask } = await fresh();
    await ask([{ text: `The first word of ${id}.` }], '1');
    await ask([{ text: 'The second word.' }], '2');
    const next = await create({ sessionId: run.sessionId, directory });
    const after = await open(next.id);
    expect(await after.say(`And a third, for ${id}?`)).toMatchObject({ kind: 'completed' });
    expect(heard(`And a third, for ${id}`).filter((text) => /word/.test(text))).toEqual(
      expect.arrayContaining([`The first word of ${id}.`, 'The second word.']),
    );
    expect(after.events.filter(({ kind }) => kind === 'output')).toHaveLength(1);
  });

  it.each([
    [
      'a leading option, quotes, lines, emoji, and what a shell would run',
      [
        '--help',
        `"double" 'single' \\" \\\\ "`,
        '$(touch pwned) `touch pwned` $HOME; rm -rf x && y | z > w & !! #',
        'one\ntwo\r\n\n\tthree',
        '🙂👩‍👩‍👧 ÄÖÜ 中文 \u202e\u0301 \u0007',
      ].join(' '),
    ],
    ['leading dashes, and 200 kB', `-- -x --session ses_1 ${'long "text" '.repeat(17_000)}`],
  ])('hands the prompt over byte for byte: %s', async (_, nasty) => {
    const { id, directory, say } = await fresh();
    const text = `${nasty} for ${id}`;
    expect(await say(text)).toMatchObject({ kind: 'completed' });
    const prompts = heard(`for ${id}`).filter((each) => each.includes(`for ${id}`));
    expect(prompts[0] === text, `it heard ${JSON.stringify(prompts[0]?.slice(0, 300))}`).toBe(true);
    await expect(readFile(join(directory, 'pwned'))).rejects.toThrow('ENOENT');
  });

  it('says why a turn failed, and can be asked again', async () => {
    const { ask } = await fresh();
    expect(await ask([{ fail: { status: 401 } }], '1')).toMatchObject({
      kind: 'failed',
      error: { code: 'PROVIDER_AUTH' },
      ...(name === 'docker' && { exitCode: 1 }),
    });
    expect(await ask([{ text: 'Better.' }], '2')).toMatchObject({ kind: 'completed', summary: 'Better.' });
  });

  if (ofOpenCodeOnly) return;

  it('stops: nothing runs any more, and the turn was interrupted', async () => {
    const { directory, run, ask } = await fresh();
    const turn = ask(FOREVER);
    await ticking(directory);
    await run.stop();
    expect(await turn).toMatchObject({ kind: 'interrupted' });
    expect(await still(directory)).toBe(true);
  });

  it('stops before it has begun', async () => {
    const { directory, run, ask } = await fresh();
    const turn = ask(FOREVER);
    await run.stop();
    expect(await turn).toMatchObject({ kind: 'interrupted' });
    expect(await ticks(directory)).toBe('');
  });

  it('holds, by freezing or by interrupting, and goes on', async () => {
    const { directory, run, ask } = await fresh();
    const turn = ask(COUNTED);
    await ticking(directory);
    const freezes = run.freeze !== undefined;
    await (run.freeze ?? run.interrupt)?.call(run);
    expect(await still(directory)).toBe(true);
    await run.thaw?.();
    const outcome = await (freezes ? turn : ask([bash('echo on >> ticks'), { text: 'Counted.' }], '2'));
    expect(outcome).toMatchObject({ kind: 'completed', summary: 'Counted.' });
  });

  it('lets go without stopping anything, and is taken up with nothing told twice', async () => {
    const { id, directory, run, ask, events } = await fresh();
    const turn = ask([write('a.txt', 'x'), ...COUNTED]);
    await ticking(directory);
    run.close();
    expect(await turn).toMatchObject({ kind: 'interrupted' });
    const before = events.length;
    expect(await still(directory)).toBe(false);
    const again = await open(id);
    const attached = events.find((event) => event.kind === 'attached');
    const { prompt_id = '' } = attached ?? {};
    const outcome = await again.run.turn({
      text: 'not sent',
      key: prompt_id,
      recordedAs: prompt_id,
      record: () => expect.unreachable(),
    });
    expect(outcome).toMatchObject({ kind: 'completed', summary: 'Counted.' });
    expect(events).toHaveLength(before);
    const finished = [...events, ...again.events].flatMap((event) => {
      if (event.kind === 'output') return [event.text];
      return event.kind === 'tool' && event.phase === 'finished' ? [event.tool] : [];
    });
    expect(finished).toEqual(['write', 'bash', 'Counted.']);
    expect(heard('not sent')).toEqual([]);
  });
});
