import { beforeEach, expect, it } from 'vitest';
import type { MessageWithParts, Part, SessionStatus } from '../../../src/runners/opencode-protocol/wire.ts';
import { BackgroundSubagents } from '../../../src/runners/opencode-server/background.ts';

const LIMIT_MS = 30_000;
const BUSY: SessionStatus = { type: 'busy' };
const TOKENS = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };

let now: number;
let subagents: BackgroundSubagents;

beforeEach(() => {
  now = 1_000_000;
  subagents = BackgroundSubagents.of('ses', LIMIT_MS);
});

const user = (id: string, created: number, parts: Part[] = [], sessionID = 'ses'): MessageWithParts => ({
  info: { id, sessionID, role: 'user', time: { created } },
  parts,
});

function assistant(id: string, created: number, parts: Part[], more: object = {}): MessageWithParts {
  const time = { created, completed: created + 1 };
  const base = {
    id,
    sessionID: 'ses',
    role: 'assistant' as const,
    parentID: 'msg_1',
    cost: 0,
    tokens: TOKENS,
  };
  return { info: { ...base, time, ...more }, parts };
}

/** The call that sets a child to work. */
const begun = (messageID: string, child: string, start: number): Part => ({
  id: `prt_${messageID}_${child}`,
  sessionID: 'ses',
  messageID,
  type: 'tool',
  callID: `call_${messageID}_${child}`,
  tool: 'task',
  state: {
    status: 'completed',
    input: {},
    output: `<task id="${child}" state="running">`,
    title: 'A part',
    metadata: { background: true, sessionId: child },
    time: { start, end: start + 1 },
  },
});

const text = (messageID: string, words: string, synthetic = true): Part => ({
  id: `prt_${messageID}`,
  sessionID: 'ses',
  messageID,
  type: 'text',
  text: words,
  synthetic,
});
const notice = (messageID: string, child: string, state = 'completed'): Part =>
  text(messageID, `<task id="${child}" state="${state}">\n<summary>…`);

const answered = (child: string, more: object = {}) => [
  assistant('msg_c', 50, [], { sessionID: child, ...more }),
];
const PROMPT = user('msg_1', 10);
const LAUNCH = assistant('msg_2', 20, [begun('msg_2', 'ses_a', 21)]);

function stand(
  own: MessageWithParts[],
  below: Record<string, MessageWithParts[]> = { ses_a: answered('ses_a') },
  statuses: Record<string, SessionStatus> = {},
) {
  const records = [new Map(Object.entries(below)), new Map(Object.entries(statuses))] as const;
  const { next, background } = subagents.onRecords(own, ...records, now);
  subagents = next;
  return background;
}

it('knows of none where there is none', () => {
  expect(stand([PROMPT, assistant('msg_2', 20, [])], {})).toBe('none');
  expect(subagents.any).toBe(false);
});

it('waits for one that works, and for the turn that it wakes once it is done', () => {
  expect(stand([PROMPT, LAUNCH], undefined, { ses_a: BUSY })).toBe('running');
  expect([subagents.any, subagents.awaits('ses_a')]).toEqual([true, true]);
  expect(stand([PROMPT, LAUNCH])).toBe('running');
  const woken = [PROMPT, LAUNCH, user('msg_3', 60, [notice('msg_3', 'ses_a')])];
  expect(stand(woken)).toBe('running');
  expect(stand([...woken, assistant('msg_4', 70, [])])).toBe('none');
  expect(subagents.any).toBe(false);
});

it.each([
  ['no message comes', [PROMPT, LAUNCH]],
  ['its message begins nothing', [PROMPT, LAUNCH, user('msg_3', 60, [notice('msg_3', 'ses_a', 'error')])]],
])('is lost where %s for too long', (_, own) => {
  expect(stand(own)).toBe('running');
  now += LIMIT_MS;
  expect(stand(own)).toBe('running');
  now += 1;
  expect(stand(own)).toBe('lost');
});

it('is lost where its answer was broken off, and gone where it was aborted', () => {
  expect(stand([PROMPT, LAUNCH], { ses_a: answered('ses_a', { time: { created: 50 } }) })).toBe('lost');
  const aborted = answered('ses_a', { error: { name: 'MessageAbortedError' } });
  expect(stand([PROMPT, LAUNCH], { ses_a: aborted })).toBe('none');
});

it('waits again for one that is set to work again', () => {
  const again = [
    PROMPT,
    LAUNCH,
    user('msg_3', 60, [notice('msg_3', 'ses_a')]),
    assistant('msg_4', 70, [begun('msg_4', 'ses_a', 71)]),
  ];
  expect(stand(again)).toBe('running');
  expect(stand([...again, user('msg_5', 80, [notice('msg_5', 'ses_a')]), assistant('msg_6', 90, [])])).toBe(
    'none',
  );
});

it('takes only the word of OpenCode for it', () => {
  const said = [
    PROMPT,
    LAUNCH,
    user('msg_3', 60, [text('msg_3', '<task id="ses_a" state="completed">', false)]),
  ];
  expect(stand([...said, assistant('msg_4', 70, [])])).toBe('running');
});

it('goes by the clock of OpenCode in its events too, and is cleared with the turn', () => {
  const launched = subagents.onPart(begun('msg_2', 'ses_a', 21));
  expect(launched.awaits('ses_a')).toBe(true);
  const ended = launched.onMessage(user('msg_3', 60).info).onPart(notice('msg_3', 'ses_a'));
  expect(ended.any).toBe(false);
  const busy = ended.onStatus('ses_b', BUSY);
  expect(busy.any).toBe(true);
  expect(busy.cleared().any).toBe(false);
});
