import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { findOpenCode } from '../../src/runners/opencode-server/binary.ts';
import type { SessionNotice } from '../../src/session-notice.ts';
import { hermeticHome } from '../support/opencode.ts';
import { bash, subagent, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { type Person, PLUGIN, startPerson } from './person.ts';

let person: Person;

beforeAll(async () => {
  person = await startPerson();
  // The first turn waits for OpenCode to give up its npm install.
  const session = await person.open('Warm');
  await person.prompt(session, [{ text: 'warm' }]);
  await person.notices.untilTold(session, 1);
});
afterAll(() => person?.close());
afterEach(() => {
  person.way.fault = undefined;
  person.notices.before = () => undefined;
});

/** What was told of a session, once there are so many notices of it. */
async function toldOf(session: string, count: number): Promise<SessionNotice[]> {
  await person.notices.untilTold(session, count);
  return person.notices.of(session);
}

describe('a turn', () => {
  it('that edits files and ends is told of once, with the last words of the agent', async () => {
    const session = await person.open('Two files');
    const filePath = join(person.directory, 'deep/a.txt');
    const message = await person.prompt(session, [
      { ...write(filePath, 'one\n'), text: 'First a file.' },
      { tools: [{ name: 'edit', args: { filePath, oldString: 'one', newString: 'two' } }] },
      write(join(person.directory, 'b.txt'), 'b\n'),
      bash('echo c > c.txt'),
      { text: ' Both are written. ' },
    ]);
    const first = {
      id: `${session}-${message.id}`,
      kind: 'idle',
      sessionId: session,
      title: 'Two files',
      directory: person.directory,
      files: ['deep/a.txt', 'b.txt'],
      moreFiles: 0,
      text: 'Both are written.',
    };
    expect(await toldOf(session, 1)).toEqual([first]);
    await person.prompt(session, [{ text: `${'long '.repeat(300)}end` }]);
    const second = {
      ...first,
      id: expect.any(String),
      files: [],
      text: expect.stringMatching(/^….{995} end$/),
    };
    expect(await toldOf(session, 2)).toEqual([first, second]);
  });

  it('has the files of its subagents, whose own ends are not told', async () => {
    const session = await person.open('With a subagent');
    const steps = [write(join(person.directory, 'sub.txt'), 'sub\n'), { text: 'sub done' }];
    await person.prompt(session, [subagent(steps), { text: 'parent done' }]);
    expect(await toldOf(session, 1)).toMatchObject([{ files: ['sub.txt'], text: 'parent done' }]);
    const { data: children } = await person.client.session.children(
      { sessionID: session, directory: person.directory },
      { throwOnError: true },
    );
    expect(children).toHaveLength(1);
    expect(children.flatMap(({ id }) => person.notices.of(id))).toEqual([]);
  });

  it('that fails is told of once, as an error, with what it edited until then', async () => {
    const session = await person.open('Failing');
    const { posts } = person.way;
    await person.prompt(session, [
      write(join(person.directory, 'half.txt'), 'half\n'),
      { fail: { status: 401, message: 'the key is wrong' } },
    ]);
    const error = { kind: 'error', files: ['half.txt'], text: expect.stringContaining('key is wrong') };
    expect(await toldOf(session, 1)).toMatchObject([error]);
    await person.prompt(session, [{ text: 'works again' }]);
    expect(await toldOf(session, 2)).toMatchObject([error, { kind: 'idle', text: 'works again' }]);
    expect(person.way.posts).toBe(posts + 2);
  });

  it('that is aborted is told of once, as an error', async () => {
    const session = await person.open('Aborted');
    const { posts } = person.way;
    const turn = person.prompt(session, [{ text: 'for ever and ever', chunks: 4, hang: 'mid' }]);
    const asked = () => person.model.requests.some((request) => request.session === session);
    await expect.poll(asked).toBe(true);
    await person.client.session.abort({ sessionID: session, directory: person.directory });
    await turn;
    const error = { kind: 'error', text: 'Aborted' };
    expect(await toldOf(session, 1)).toMatchObject([error]);
    await person.prompt(session, [{ text: 'works again' }]);
    expect(await toldOf(session, 2)).toMatchObject([error, { kind: 'idle', text: 'works again' }]);
    expect(person.way.posts).toBe(posts + 2);
  });

  it('that never begins is told of as an error', async () => {
    const session = await person.open('Nobody');
    const parts = [{ type: 'text' as const, text: 'Hello' }];
    const { directory } = person;
    await person.client.session.promptAsync({ sessionID: session, directory, agent: 'nobody', parts });
    const error = { kind: 'error', title: 'Nobody', text: expect.stringContaining('"nobody"') };
    expect(await toldOf(session, 1)).toMatchObject([error]);
    await person.prompt(session, [{ text: 'somebody' }]);
    expect(await toldOf(session, 2)).toMatchObject([error, { kind: 'idle', text: 'somebody' }]);
  });

  it('of a task of the bridge is posted too, and dropped there', async () => {
    const session = await person.open('Meanwhile');
    const { directory } = person;
    const { posts } = person.way;
    const task = await person.bridge.run([write('task.txt', 't\n'), { text: 'task done' }], { directory });
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'task done' } });
    await expect.poll(() => person.way.posts).toBe(posts + 1);
    await person.prompt(session, [{ text: 'by hand' }]);
    expect(await toldOf(session, 1)).toMatchObject([{ text: 'by hand' }]);
    expect(person.notices.of(`${task.sessionId}`)).toEqual([]);
  });
});

describe('a turn is over as ever, and told of later, while the bridge', () => {
  it('cannot be reached', async () => {
    const session = await person.open('Down');
    const { posts } = person.way;
    person.way.fault = 'refuse';
    await person.prompt(session, [{ text: 'said in vain' }]);
    await expect.poll(() => person.way.posts).toBeGreaterThan(posts);
    expect(person.notices.of(session)).toEqual([]);
    person.way.fault = undefined;
    expect(await toldOf(session, 1)).toMatchObject([{ text: 'said in vain' }]);
  });

  it('refuses it, which is written to the log of OpenCode once', async () => {
    const session = await person.open('Refused');
    const { posts } = person.way;
    const { length: before } = await person.complaints();
    const complaints = async () => (await person.complaints()).slice(before);
    person.way.fault = { status: 404, body: 'Matrix is off' };
    await person.prompt(session, [{ text: 'one' }]);
    await person.prompt(session, [{ text: 'two' }]);
    await expect.poll(() => person.way.posts).toBe(posts + 2);
    await expect.poll(complaints).toEqual([expect.stringContaining('404 Matrix is off')]);
    person.way.fault = undefined;
    await person.prompt(session, [{ text: 'three' }]);
    expect(await toldOf(session, 1)).toMatchObject([{ text: 'three' }]);
    expect(await complaints()).toHaveLength(1);
  });

  it('hangs', async () => {
    const session = await person.open('Hanging');
    const release = Promise.withResolvers<void>();
    person.notices.before = () => release.promise;
    await person.prompt(session, [{ text: 'one' }]);
    await person.prompt(session, [{ text: 'two' }]);
    expect(person.notices.of(session)).toEqual([]);
    release.resolve();
    const told = await toldOf(session, 2);
    expect(told.map(({ text }) => text).sort()).toEqual(['one', 'two']);
  });
});

it('the token of the plugin is not in the environment of what the agent runs', async () => {
  const session = await person.open('Curious');
  await person.prompt(session, [bash('echo "[$MATRIX_API_TOKEN]"'), { text: 'looked' }]);
  const { data: messages } = await person.client.session.messages(
    { sessionID: session, directory: person.directory },
    { throwOnError: true },
  );
  const states = messages.flatMap(({ parts }) =>
    parts.flatMap((part) => ('state' in part ? [part.state] : [])),
  );
  expect(states).toMatchObject([{ status: 'completed', output: '[]\n' }]);
});

it('`opencode run` has told of its turn when it ends', async () => {
  await using home = await tempDir('run-');
  const args = ['run', '--title', 'Run', `Do_${scriptText([{ text: 'ran' }])}`];
  const child = spawn(findOpenCode(undefined, process.env.PATH), args, {
    cwd: person.directory,
    env: { ...hermeticHome(home.path, person.model.url), ...person.env },
    stdio: 'ignore',
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  expect(person.notices.told.filter(({ title }) => title === 'Run')).toMatchObject([{ text: 'ran' }]);
});

/** What a plugin with this address has OpenCode call, and what it writes to its log. */
function hooksWith(url: string | undefined): unknown {
  const script = `
    const { MatrixNotifications } = await import(${JSON.stringify(pathToFileURL(PLUGIN))});
    const lines = [];
    const client = { app: { log: async ({ body }) => lines.push(body.message) } };
    console.log(JSON.stringify({ hooks: Object.keys(await MatrixNotifications({ client })), lines }));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...(url === undefined ? {} : { MATRIX_API_URL: url }) },
    encoding: 'utf8',
  });
  return JSON.parse(stdout);
}

it.each([
  [undefined, []],
  [' ', []],
  ['bridge:3500/matrix', [expect.stringContaining('MATRIX_API_URL "bridge:3500/matrix" is not an address')]],
  ['http://me:secret@bridge/matrix', [expect.not.stringContaining('secret')]],
])('with MATRIX_API_URL %j it has no hooks', (url, lines) => {
  expect(hooksWith(url)).toEqual({ hooks: [], lines });
});

it('with an address it has some', () => {
  expect(hooksWith('http://127.0.0.1:3500/matrix')).toMatchObject({
    hooks: expect.arrayContaining(['event']),
  });
});
