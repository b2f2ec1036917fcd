import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MatrixStorage } from '../../src/matrix/inbound/matrix-storage.ts';
import type { TaskControls } from '../../src/matrix/inbound/task-controls.ts';
import { MatrixApi } from '../../src/matrix/matrix-api.ts';
import { MatrixFailure } from '../../src/matrix/matrix-failure.ts';
import { RateLimitedSender } from '../../src/matrix/rate-limited-sender.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { fastClock } from '../support/clock.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import type { Homeserver } from '../support/homeserver.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { SteeringFixture, until } from './steering-fixture.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge({
    config: { permission: { bash: 'ask' } },
    requests: { timeoutMs: 300_000 },
  });
});
afterAll(() => bridge.close());

const waits = [bash('echo one'), { text: 'ok' }];
const said = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'message' ? [event.text] : []));
const closings = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event.by] : []));
const hangs = new Promise<never>(() => undefined);

/** Waits for a request, so that the task stays as it is. */
async function waiting(fixture: SteeringFixture) {
  const { task, root } = await fixture.task(waits);
  return { task, root, ...(await fixture.request(task, root)) };
}

describe('whatever fails', () => {
  let server: Homeserver;
  beforeAll(async () => {
    server = await startFakeHomeserver();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const open = () => SteeringFixture.open(server, bridge);

  it('what was said while the bridge was off is done, in order, however much it is', async () => {
    await using fixture = await open();
    const { ann, bob, room } = fixture;
    const { task, root } = await waiting(fixture);
    const first = await fixture.steer();
    await until(() => expect(first.health().status).toBe('ok'));
    const before = performance.now();
    await first.close();
    expect(performance.now() - before).toBeLessThan(15_000);
    const words = Array.from({ length: 130 }, (_, n) => `word ${n}`);
    const ids: string[] = [];
    for (const [n, word] of words.entries()) {
      if (n % 13 === 0) ids.push(await ann.sayInThread(room, root, word));
      else await bob.say(room, word);
    }
    await fixture.steer();
    for (const id of ids) expect(await fixture.ack(id)).toBe('✅');
    expect(said(task)).toEqual(words.filter((_, n) => n % 13 === 0));
  });

  it('what a bridge had read but not done when it ended is done by the next one, once', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root, request, message } = await waiting(fixture);
    const reached = Promise.withResolvers<void>();
    const stuck = (): Promise<never> => {
      reached.resolve();
      return hangs;
    };
    await fixture.steer({ controls: { ...fixture.controls(), message: stuck } });
    const say = await ann.sayInThread(room, root, 'use yarn');
    const allow = await ann.react(room, message, '👍');
    await reached.promise;
    await until(() => expect(stored(fixture)).toContain(allow));
    await fixture.restart();
    expect(await fixture.ack(say)).toBe('✅');
    expect(await fixture.ack(message)).toBe('👍');
    await bridge.end(task);
    expect([said(task), closings(task)]).toEqual([['use yarn'], [ann.userId]]);
    expect(bridge.store.closedRequest(task.id, request.id)?.reply).toBe('once');
    await until(() => expect(stored(fixture)).toEqual([]));
  });

  it('what a bridge had done when it ended, but not noted, is answered as done and not done again', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root, message } = await waiting(fixture);
    const done: string[] = [];
    const real = fixture.controls();
    const thenStuck =
      <K extends 'message' | 'answer' | 'pause'>(name: K) =>
      async (...given: Parameters<TaskControls[K]>): Promise<never> => {
        await Reflect.apply(real[name], real, given);
        done.push(name);
        return hangs;
      };
    const stop = async (what: 'message' | 'answer' | 'pause', say: () => Promise<string>) => {
      await fixture.restart({ controls: { ...real, [what]: thenStuck(what) } });
      const id = await say();
      await until(() => expect(done).toContain(what));
      await fixture.restart();
      return id;
    };
    await fixture.steer();
    const say = await stop('message', () => ann.sayInThread(room, root, 'use yarn'));
    expect(await fixture.ack(say)).toBe('✅');
    const yes = await stop('answer', () => ann.replyInThread(room, root, message, 'yes'));
    expect(await fixture.ack(yes)).toBe('✅');
    expect(await fixture.answers(yes)).toHaveLength(1);
    await bridge.end(task);
    expect([said(task), closings(task)]).toEqual([['use yarn'], [ann.userId]]);

    const other = await waiting(fixture);
    const allow = await stop('answer', () => ann.sayInThread(room, other.root, '!allow'));
    expect(await fixture.ack(allow)).toBe('✅');
    await bridge.end(other.task);
    expect(closings(other.task)).toEqual([ann.userId]);

    const last = await waiting(fixture);
    const pause = await stop('pause', () => ann.sayInThread(room, last.root, '!pause'));
    expect(await fixture.ack(pause)).toBe('✅');
    const kinds = bridge.events(last.task).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'control' || kind === 'paused')).toEqual(['control', 'paused']);
  });

  it('what was done is answered by the next bridge where the first could not', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await waiting(fixture);
    const asked = Promise.withResolvers<void>();
    const mute = new RateLimitedSender({
      send() {
        asked.resolve();
        return hangs;
      },
    });
    await fixture.steer({ sender: mute });
    const say = await ann.sayInThread(room, root, 'use yarn');
    await asked.promise;
    expect(said(task)).toEqual(['use yarn']);
    expect(await fixture.answers(say)).toEqual([]);
    const refuse = () => Promise.reject(new Error('it is done already'));
    await fixture.restart({ controls: { ...fixture.controls(), message: refuse } });
    expect(await fixture.ack(say)).toBe('✅');
    expect(await fixture.note(say)).toContain('after its request is answered');
    expect(await fixture.answers(say)).toHaveLength(2);
  });

  it('what is read twice is done once', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await waiting(fixture);
    await fixture.steer();
    const before = await readFile(join(fixture.folder.path, 'matrix.json'), 'utf8');
    const first = await ann.sayInThread(room, root, 'first');
    expect(await fixture.ack(first)).toBe('✅');
    await until(() => expect(stored(fixture)).toEqual([]));
    await fixture.steering?.close();
    await writeFile(join(fixture.folder.path, 'matrix.json'), before);
    const done: string[] = [];
    const real = fixture.controls();
    const message: TaskControls['message'] = (task, text, ref) => {
      done.push(text);
      return real.message(task, text, ref);
    };
    await fixture.steer({ controls: { ...real, message } });
    expect(await fixture.ack(await ann.sayInThread(room, root, 'second'))).toBe('✅');
    expect(done).toEqual(['second']);
    expect(said(task)).toEqual(['first', 'second']);
    expect(await fixture.answers(first)).toHaveLength(2);
  });

  it('a command that cannot be looked up now waits, is shown in health, and is executed later', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await waiting(fixture);
    const other = await waiting(fixture);
    const api = new MatrixApi({ url: server.url, token: fixture.bot.token });
    const refused = new MatrixFailure('Matrix: event: HTTP 500 M_UNKNOWN', { status: 500 });
    let isBroken = true;
    const look: MatrixApi['event'] = (...given) =>
      isBroken && given[1] === root ? Promise.reject(refused) : MatrixApi.prototype.event.apply(api, given);
    const steering = await fixture.steer({ api: Object.assign(api, { event: look }) });
    const say = await ann.sayInThread(room, root, 'use yarn');
    await until(() => expect(steering.health().detail).toBe(`1 command(s) wait: ${refused.message}`));
    expect(steering.health().status).toBe('degraded');
    expect(await fixture.ack(await ann.sayInThread(room, other.root, 'use npm'))).toBe('✅');
    expect(said(other.task)).toEqual(['use npm']);
    expect(said(task)).toEqual([]);
    isBroken = false;
    expect(await fixture.ack(say)).toBe('✅');
    expect(said(task)).toEqual(['use yarn']);
    await until(() => expect(steering.health().status).toBe('ok'));
  });

  it('a token that the server refuses is named', async () => {
    await using fixture = await open();
    const api = new MatrixApi({ url: server.url, token: 'stale' });
    const steering = fixture.make({ api });
    steering.start();
    await until(() => expect(steering.health().status).toBe('degraded'));
    expect(steering.health().detail).toContain('M_UNKNOWN_TOKEN (MATRIX_ACCESS_TOKEN)');
  });

  it('where the server does not know the sync position, messages from then on are received', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await waiting(fixture);
    fixture.storage().save('nonsense');
    await fixture.steer();
    await until(() => expect(fixture.storage().since).not.toBe('nonsense'));
    expect(await fixture.ack(await ann.sayInThread(room, root, 'use yarn'))).toBe('✅');
    expect(said(task)).toEqual(['use yarn']);
  });

  it('a command more than a day old is not executed, and the reply says so', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await waiting(fixture);
    const dayLater = { ...fastClock(1), now: () => Date.now() + 25 * 3_600_000 };
    await fixture.steer({ clock: dayLater });
    const cancel = await ann.sayInThread(room, root, '!cancel');
    expect(await fixture.ack(cancel)).toBe('❌');
    expect(await fixture.note(cancel)).toContain('This command is more than a day old');
    expect(bridge.now(task).status).toBe('input_required');
  });
});

describe('with the default limits of Synapse', () => {
  it('every command is done at once and answered as fast as the server allows', async () => {
    const clock = fastClock(10);
    await using server = await startFakeHomeserver({ rateLimits: true, now: clock.now });
    await using fixture = await SteeringFixture.open(server, bridge);
    const { ann, bot, room } = fixture;
    const { task, root } = await waiting(fixture);
    const api = new MatrixApi({ url: server.url, token: bot.token });
    await fixture.steer({ sender: new RateLimitedSender(api, clock) });
    const words = ['one', 'two', 'three', 'four', 'five'];
    const ids: string[] = [];
    for (const word of words) ids.push(await ann.sayInThread(room, root, word));
    await until(() => expect(said(task)).toEqual(words));
    for (const id of ids) expect(await fixture.ack(id)).toBe('✅');
    for (const id of ids) expect(await fixture.note(id)).toContain('after its request is answered');
    for (const id of ids) expect(await fixture.answers(id)).toHaveLength(2);
  });
});

describe('the storage', () => {
  const account = { userId: '@bridge:mx.test', homeserver: 'http://mx.test' };

  it('is a file for its owner alone, which another account does not use', async () => {
    await using folder = await tempDir('storage-');
    const path = join(folder.path, 'new', 'matrix.json');
    const storage = new MatrixStorage(path, account);
    expect([storage.since, storage.problem]).toEqual([undefined, undefined]);
    storage.save('s1');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      user_id: account.userId,
      homeserver: account.homeserver,
      since: 's1',
    });
    const again = new MatrixStorage(path, account);
    expect(again.since).toBe('s1');
    for (const change of [{ userId: '@other:mx.test' }, { homeserver: 'http://other.test' }]) {
      const other = new MatrixStorage(path, { ...account, ...change });
      expect(other.since).toBeUndefined();
    }
  });

  it.each(['{"user_id":', '[]', '{"user_id":"@bridge:mx.test"}', ''])(
    '%j is reported and not overwritten',
    async (broken) => {
      await using folder = await tempDir('storage-');
      const path = join(folder.path, 'matrix.json');
      await writeFile(path, broken);
      const storage = new MatrixStorage(path, account);
      expect(storage.problem?.message).toContain(
        `MATRIX_STORAGE_PATH ${JSON.stringify(path)} cannot be used`,
      );
      expect(() => storage.save('s1')).toThrow('MATRIX_STORAGE_PATH');
      expect(await readFile(path, 'utf8')).toBe(broken);
    },
  );
});

/** The events that are not answered yet. */
function stored({ database }: SteeringFixture): unknown[] {
  const rows = database.prepare('SELECT event_id FROM matrix_inbox WHERE NOT answered').all();
  return rows.map((row) => row.event_id);
}
