import { describe, expect, test } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import { RecordingNotices } from '../support/notices.ts';
import { answerOf, post, type ServerOptions, startServer } from './server.ts';

const NOTICE = {
  id: 'ses_1-msg_1',
  kind: 'idle',
  session_id: 'ses_1',
  title: 'A title',
  directory: '/home/me/project',
  files: ['a.ts', 'b/c.ts'],
  more_files: 2,
  text: 'All done.',
};
const ACCEPTED = { status: 202, body: { accepted: true } };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A bridge with notices, and how to post to it. */
async function start(options: ServerOptions = {}) {
  const notices = new RecordingNotices();
  const server = await startServer({ notices, ...options });
  const send = (notice: unknown, headers: Record<string, string> = {}) =>
    post(`${server.http.url}/matrix/notify`, notice, headers);
  return { ...server, notices, send, say: async (notice: unknown) => answerOf(send(notice)) };
}

test('a notice is told on, and its repeat is accepted without telling it again', async () => {
  await using bridge = await start();
  expect(await bridge.say(NOTICE)).toMatchObject(ACCEPTED);
  expect(await bridge.say({ ...NOTICE, text: 'again' })).toMatchObject(ACCEPTED);
  const { session_id: sessionId, more_files: moreFiles, ...rest } = NOTICE;
  expect(bridge.notices.told).toEqual([{ ...rest, sessionId, moreFiles }]);
  expect(await bridge.say({ id: 'x', kind: 'error', session_id: 'ses_1', text: '\ud800!' })).toMatchObject(
    ACCEPTED,
  );
  expect(bridge.notices.told[1]).toMatchObject({ kind: 'error', files: [], text: '\ufffd!' });
});

test('one that comes twice at once is told once, and both answers wait for that', async () => {
  await using bridge = await start();
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  bridge.notices.before = () => {
    arrived.resolve();
    return release.promise;
  };
  const first = bridge.say(NOTICE);
  await arrived.promise;
  const second = bridge.say(NOTICE);
  expect(await bridge.say({ ...NOTICE, kind: 'nonsense' })).toMatchObject({ status: 400 });
  expect(bridge.notices.told).toEqual([]);
  release.resolve();
  expect(await Promise.all([first, second])).toMatchObject([ACCEPTED, ACCEPTED]);
  expect(bridge.notices.told).toHaveLength(1);
});

test('of sessions of tasks, and of those below them, nothing is told', async () => {
  await using bridge = await start();
  const client = await bridge.client();
  const taskId = await client.start();
  const run = await bridge.bridge.runner.turnOf(taskId);
  await bridge.bridge.until(taskId, ({ sessionId }) => sessionId !== undefined);
  const own = { status: 200, body: { accepted: false, reason: 'own_task' } };
  expect(await bridge.say({ ...NOTICE, session_id: run.sessionId })).toMatchObject(own);
  expect(await bridge.say({ ...NOTICE, parent_id: run.sessionId })).toMatchObject(own);
  run.complete('done');
  await client.ok('get_task_status', { task_id: taskId, wait_ms: 20_000 });
  expect(await bridge.say({ ...NOTICE, session_id: run.sessionId })).toMatchObject(own);
  expect(bridge.notices.told).toEqual([]);
  expect(await bridge.say({ ...NOTICE, parent_id: 'ses_0' })).toMatchObject(ACCEPTED);
});

describe('where the room cannot be reached', () => {
  test('it is 503 with a time to wait, and the next try tells it', async () => {
    await using bridge = await start();
    bridge.notices.before = () => Promise.reject(new Error('ECONNREFUSED 10.0.0.1'));
    const response = await bridge.send(NOTICE);
    expect(response.headers.get('retry-after')).toBe('10');
    const answer = await answerOf(response);
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'MATRIX_UNAVAILABLE', next: expect.stringContaining('in 10 s') },
    });
    expect(JSON.stringify(answer)).not.toContain('10.0.0.1');
    expect(bridge.bridge.logger.lines.join()).toContain('10.0.0.1');
    expect(bridge.bridge.logger.lines.join()).not.toContain('All done');
    bridge.notices.before = () => undefined;
    expect(await bridge.say(NOTICE)).toMatchObject(ACCEPTED);
    expect(bridge.notices.told).toHaveLength(1);
  });

  test('words for whoever posted reach him', async () => {
    await using bridge = await start();
    bridge.notices.before = () => {
      throw new BridgeError('INVALID_STATE', 'The room is encrypted.', { next: 'Name another.' });
    };
    expect(await bridge.say(NOTICE)).toMatchObject({
      status: 409,
      body: { detail: 'The room is encrypted.', next: 'Name another.' },
    });
  });

  test('a bridge that stops gives up what hangs', async () => {
    await using bridge = await start();
    const hangs = Promise.withResolvers<AbortSignal>();
    bridge.notices.before = (_notice, signal) => {
      hangs.resolve(signal);
      return new Promise(() => undefined);
    };
    const answer = bridge.say(NOTICE);
    const signal = await hangs.promise;
    expect(signal.aborted).toBe(false);
    await bridge.http.close();
    expect(signal.aborted).toBe(true);
    expect(await answer).toMatchObject({ status: 503 });
  });
});

test('without Matrix it says how to have it, or how not to be asked', async () => {
  await using bridge = await start({ notices: undefined, tokens: [{ token: 't' }] });
  const answer = await answerOf(bridge.send('not even read', bearer('t')));
  expect(answer).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining('MATRIX_ENABLED'), next: expect.any(String) },
  });
  expect((await bridge.send(NOTICE)).status).toBe(401);
});

describe('who may post', () => {
  test('is who may call /mcp', async () => {
    await using bridge = await start({ tokens: [{ token: 't' }] });
    expect(await answerOf(bridge.send(NOTICE))).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHORIZED', next: expect.stringContaining('MCP_AUTH_TOKENS') },
    });
    expect((await bridge.send(NOTICE, bearer('wrong'))).status).toBe(401);
    expect((await bridge.send(NOTICE, { ...bearer('t'), origin: 'https://evil.example' })).status).toBe(403);
    expect(bridge.notices.told).toEqual([]);
    expect((await bridge.send(NOTICE, bearer('t'))).status).toBe(202);
  });

  test('may not guess tokens here beside /mcp', async () => {
    await using bridge = await start({ tokens: [{ token: 't' }] });
    const answers: number[] = [];
    for (let n = 0; n < 35; n += 1) {
      answers.push((await bridge.send(NOTICE, bearer(`wrong-${n}`))).status);
      answers.push((await post(bridge.url, 'x', bearer(`wrong-${n}`))).status);
    }
    // Two buckets would have room for 60.
    expect(answers.filter((status) => status === 401).length).toBeLessThan(60);
    expect(answers).toContain(429);
  });

  test('may post 60 a minute, whatever MCP_RATE_LIMIT says, and others go on', async () => {
    await using bridge = await start({ rateLimit: 0, tokens: [{ token: 'a' }, { token: 'b' }] });
    let response = await bridge.send(NOTICE, bearer('a'));
    let accepted = 0;
    for (; response.status === 202 && accepted < 500; accepted += 1) {
      response = await bridge.send(NOTICE, bearer('a'));
    }
    expect(accepted).toBeGreaterThanOrEqual(60);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await answerOf(response)).toMatchObject({
      status: 429,
      body: { code: 'RATE_LIMITED', detail: expect.stringContaining('60 notices a minute') },
    });
    expect((await bridge.send(NOTICE, bearer('b'))).status).toBe(202);
  });
});

describe('what is not a notice is refused by name', () => {
  test.each([
    [{ ...NOTICE, session_id: undefined }, '`session_id` is missing.'],
    [{ ...NOTICE, kind: 'done' }, '`kind` "done" is not one of idle, error.'],
    [{ ...NOTICE, id: 'a b' }, '`id` "a b" may hold only letters, digits and . : _ -.'],
    [{ ...NOTICE, id: '' }, '`id` "" may hold only letters, digits and . : _ -.'],
    [{ ...NOTICE, title: 7 }, '`title` 7 is not a string.'],
    [{ ...NOTICE, files: ['a', 1] }, '`files.1` 1 is not a string.'],
    [{ ...NOTICE, files: Array(101).fill('a') }, 'has 101 items, at most 100 are taken.'],
    [{ ...NOTICE, text: 'x'.repeat(4_001) }, 'has 4001 characters, at most 4000 are taken.'],
    [{ ...NOTICE, sessionId: 's' }, '`sessionId` is not a parameter; POST /matrix/notify takes id, kind,'],
    [[NOTICE], 'is not a JSON object.'],
    ['{', 'not valid JSON'],
  ])('%j', async (notice, says) => {
    await using bridge = await start();
    expect(await bridge.say(notice)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', detail: expect.stringContaining(says) },
    });
    expect(bridge.notices.told).toEqual([]);
  });

  test('also for its form and its size', async () => {
    await using bridge = await start();
    expect(await answerOf(bridge.send(NOTICE, { 'content-type': 'text/plain' }))).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('"text/plain"') },
    });
    expect(await bridge.say({ ...NOTICE, files: Array(100).fill('x'.repeat(1_000)) })).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE', detail: expect.stringContaining('65536 bytes.') },
    });
    expect((await fetch(`${bridge.http.url}/matrix/notify`)).status).toBe(404);
  });
});
