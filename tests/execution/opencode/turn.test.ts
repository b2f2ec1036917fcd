import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  AssistantMessage,
  Message,
  MessageWithParts,
  OpenCodeError,
  SessionStatus,
} from '../../../src/runners/opencode-protocol/wire.ts';
import {
  type TurnRecords,
  TurnState,
  type Verdict,
} from '../../../src/runners/opencode-server/turn-state.ts';

const PROMPT = 'msg_prompt';
const BUSY = { type: 'busy' } as const;
const IDLE = { type: 'idle' } as const;

const user = (id: string, created: number): Message => ({
  id,
  sessionID: 'ses',
  role: 'user',
  time: { created },
});

function assistant(id: string, created: number, more: Partial<AssistantMessage> = {}): AssistantMessage {
  const tokens = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
  const head = { id, sessionID: 'ses', role: 'assistant', parentID: PROMPT, time: { created } } as const;
  return { ...head, cost: 0, tokens, ...more };
}

const done = (id: string, created: number, finish?: string, more: Partial<AssistantMessage> = {}) =>
  assistant(id, created, { time: { created, completed: created + 5 }, ...(finish && { finish }), ...more });

const said = (info: Message, text?: string): MessageWithParts => ({
  info,
  parts: text
    ? [{ id: `prt_${info.id}`, sessionID: 'ses', messageID: info.id, type: 'text' as const, text }]
    : [],
});

/** The evidence of a turn so far. */
class Turn {
  state = TurnState.of(PROMPT);

  onMessage(info: Message): void {
    this.state = this.state.onMessage(info);
  }

  onText(messageId: string, partId: string, words: string): void {
    this.state = this.state.onText(messageId, partId, words);
  }

  onStatus(now: SessionStatus): Verdict {
    this.state = this.state.onStatus(now);
    return now.type === 'idle' ? this.state.verdictWhenIdle : 'running';
  }

  onError(error: OpenCodeError): Verdict {
    this.state = this.state.onError(error);
    return this.state.verdictAfter(error);
  }

  judge(records: TurnRecords): Verdict {
    this.state = this.state.onRecords(records);
    return this.state.verdictBy(records);
  }
}

type Event = (turn: Turn) => Verdict | undefined;
const message =
  (info: Message): Event =>
  (turn) =>
    void turn.onMessage(info);
const text =
  (id: string, words: string): Event =>
  (turn) =>
    void turn.onText(id, `prt_${id}`, words);
const status =
  (now: typeof BUSY | typeof IDLE): Event =>
  (turn) =>
    turn.onStatus(now);

/** A turn of two steps as OpenCode tells of it. */
const TURN: Event[] = [
  message(user(PROMPT, 10)),
  text(PROMPT, 'what the caller said'),
  status(BUSY),
  message(assistant('a1', 20)),
  text('a1', 'first words'),
  message(done('a1', 20, 'tool-calls')),
  status(BUSY),
  message(assistant('a2', 30)),
  text('a2', 'last'),
  text('a2', 'last words'),
  message(done('a2', 30, 'stop')),
  status(IDLE),
];
const FINISHED = TURN.length - 2;

/** What may come in between at any time: idles of the turn before, its messages, its abort. */
const noise = fc.constantFrom<Event>(
  status(IDLE),
  message(user('msg_before', 1)),
  message(done('a0', 2, 'stop', { parentID: 'msg_before' })),
  text('a0', 'words of the turn before'),
  (turn) => (turn.state.started ? undefined : turn.onError({ name: 'MessageAbortedError' })),
);

it('ends by its own last message, whatever comes in between', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(TURN.length), noise)), (insertions) => {
      const turn = new Turn();
      const verdicts: Verdict[] = [];
      for (const [index, event] of TURN.entries()) {
        for (const [at, extra] of insertions) {
          const verdict = at === index ? extra(turn) : undefined;
          if (index <= FINISHED) expect(verdict).not.toBeTypeOf('object');
        }
        const verdict = event(turn);
        if (verdict !== undefined) verdicts.push(verdict);
      }
      expect(verdicts.at(-1)).toEqual({ kind: 'completed', summary: 'last words', finish: 'stop' });
      expect(verdicts.slice(0, -1).every((verdict) => verdict === 'running')).toBe(true);
    }),
  );
});

it('ends the same when events are told twice, and by the records alone', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(TURN.length - 2)), fc.nat(TURN.length - 1), (repeated, lostFrom) => {
      const turn = new Turn();
      for (const [index, event] of TURN.slice(0, lostFrom).entries()) {
        event(turn);
        for (const again of repeated) if (again < index) TURN[again]?.(turn);
      }
      const messages = [
        said(user(PROMPT, 10)),
        said(done('a1', 20, 'tool-calls'), 'first words'),
        said(done('a2', 30, 'stop'), 'last words'),
      ];
      expect(turn.judge({ messages, status: BUSY })).toBe('running');
      const outcome = turn.judge({ messages, status: IDLE });
      expect(outcome).toEqual({ kind: 'completed', summary: 'last words', finish: 'stop' });
    }),
  );
});

it('is never the words of the caller', () => {
  const turn = new Turn();
  for (const event of TURN.slice(0, 4)) event(turn);
  expect(turn.state.summary).toBe('');
});

const judged = (messages: Message[], before: (turn: Turn) => void = () => undefined): Verdict => {
  const turn = new Turn();
  before(turn);
  return turn.judge({ messages: messages.map((info) => said(info)), status: IDLE });
};

it.each<[string, Message[], string]>([
  ['a message left open', [user(PROMPT, 1), assistant('a', 2)], 'ENGINE_LOST'],
  ['a step that says nothing of what comes next', [user(PROMPT, 1), done('a', 2, 'unknown')], 'TURN_STOPPED'],
  ['an answer cut short', [user(PROMPT, 1), done('a', 2, 'length')], 'OUTPUT_LIMIT'],
  [
    'an abort',
    [user(PROMPT, 1), done('a', 2, undefined, { error: { name: 'MessageAbortedError' } })],
    'ABORTED_EXTERNALLY',
  ],
])('fails by %s', (_name, messages, code) => {
  expect(judged(messages)).toMatchObject({ kind: 'failed', error: { code } });
});

describe('idle after a step with a tool', () => {
  const time = { start: 1, end: 2 };
  const answered = { status: 'completed', input: {}, output: '', title: '', metadata: {}, time } as const;
  const refused = { status: 'error', input: {}, error: 'rejected', time } as const;
  const ids = { id: 'p', sessionID: 'ses', messageID: 'a', callID: 'c', tool: 'bash' };
  const judgedWith = (state: typeof answered | typeof refused, error?: OpenCodeError): Verdict => {
    const turn = new Turn();
    turn.onStatus(BUSY);
    turn.onMessage(done('a', 2, 'tool-calls'));
    if (error) turn.onError(error);
    const step = { info: done('a', 2, 'tool-calls'), parts: [{ ...ids, type: 'tool' as const, state }] };
    return turn.judge({ messages: [said(user(PROMPT, 1)), step], status: IDLE });
  };

  it('was lost where the tool has answered', () => {
    expect(judgedWith(answered)).toMatchObject({ kind: 'failed', error: { code: 'ENGINE_LOST' } });
  });

  it('stopped where the tool was refused', () => {
    expect(judgedWith(refused)).toMatchObject({ kind: 'failed', error: { code: 'TURN_STOPPED' } });
  });

  it('failed by the error that OpenCode told of', () => {
    const error = { name: 'APIError', data: { message: 'no key', statusCode: 401 } };
    expect(judgedWith(answered, error)).toMatchObject({ kind: 'failed', error: { code: 'PROVIDER_AUTH' } });
  });
});

it('forgets an error once OpenCode goes on', () => {
  const turn = new Turn();
  turn.onStatus(BUSY);
  turn.onError({ name: 'ContextOverflowError' });
  expect(
    turn.judge({ messages: [said(user(PROMPT, 1)), said(done('a', 2, 'unknown'))], status: IDLE }),
  ).toMatchObject({
    error: { code: 'TURN_STOPPED' },
  });
});

it('has not started while there is nothing but its prompt', () => {
  expect(judged([])).toBe('not started');
  expect(judged([user(PROMPT, 1)])).toBe('not started');
  // An error of the turn before, told late.
  const error = { name: 'UnknownError', data: { message: 'old' } };
  expect(judged([user(PROMPT, 1)], (turn) => turn.onError(error))).toBe('not started');
});

it('fails by an error that came before anything else', () => {
  const error = { name: 'UnknownError', data: { message: 'Model not found: x/y.' } };
  expect(judged([], (turn) => turn.onError(error))).toMatchObject({ error: { code: 'MODEL_NOT_FOUND' } });
});

it('takes an error during work for no end', () => {
  const turn = new Turn();
  turn.onStatus(BUSY);
  expect(turn.onError({ name: 'ContextOverflowError' })).toBe('running');
});

it('counts the answer to a message that joined the turn, and not a summary of the conversation', () => {
  const turn = new Turn();
  const messages = [
    said(user(PROMPT, 10)),
    said(done('a1', 20, 'stop'), 'first'),
    said(user('msg_joined', 25)),
    said(done('a2', 30, 'stop', { parentID: 'msg_joined' }), 'joined'),
    said(done('a3', 40, 'stop', { summary: true }), 'a summary'),
  ];
  expect(turn.judge({ messages, status: IDLE })).toMatchObject({ kind: 'completed', summary: 'joined' });
});
