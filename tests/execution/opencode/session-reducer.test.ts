import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.ts';
import type {
  AssistantMessage,
  Message,
  MessageWithParts,
  OpenCodeEvent,
  Part,
  PermissionAsked,
  SessionStatus,
} from '../../../src/runners/opencode-protocol/wire.ts';
import { reduce } from '../../../src/runners/opencode-server/session-reducer.ts';
import {
  type Effect,
  type Input,
  initialState,
  type ReadPurpose,
  type SessionState,
} from '../../../src/runners/opencode-server/session-state.ts';

const START_MS = 30_000;
const STALL_MS = 60_000;
const PROMPT = 'msg_prompt';
const OPTIONS = {
  sessionId: 'ses',
  directory: '/w',
  guarded: false,
  limits: { startMs: START_MS, stallMs: STALL_MS },
};

/** An input, or milliseconds that pass, and the effects that it has. Effects of a bare input are not looked at. */
type Row = Input | number | [Input, ...effects: string[]];

/** Runs the inputs and compares the effects; held events are replayed as the driver does. */
function play(rows: readonly Row[]): SessionState {
  let state = initialState(OPTIONS, []);
  let now = 1_000_000;
  let connected = true;
  const run = (input: Input): string[] => {
    if (input.type === 'stream lost') connected = false;
    if (input.type === 'stream gap') connected = true;
    const { state: next, effects } = reduce(state, input, { now, connected, approvals: [] });
    state = next;
    return effects.flatMap((effect) => [
      describeEffect(effect),
      ...(effect.type === 'replay' ? run({ type: 'event', event: effect.event }) : []),
    ]);
  };
  for (const [index, row] of rows.entries()) {
    if (typeof row === 'number') now += row;
    else if (!Array.isArray(row)) run(row);
    else {
      const [input, ...effects] = row;
      expect(run(input), `row ${index}: ${JSON.stringify(input)}`).toEqual(effects);
    }
  }
  return state;
}

function describeEffect(effect: Effect): string {
  switch (effect.type) {
    case 'emit':
      return `emit ${effect.events.map((event) => (event.kind === 'warning' ? event.code : event.kind)).join(', ')}`;
    case 'conclude':
      return `conclude ${effect.outcome.kind === 'failed' ? effect.outcome.error.code : effect.outcome.kind}`;
    case 'read':
      return `read for ${effect.purpose}`;
    case 'send prompt':
      return effect.perhapsSent ? 'send prompt again' : 'send prompt';
    case 'arm':
      return `arm ${effect.timer} ${effect.ms}`;
    case 'disarm':
      return `disarm ${effect.timer}`;
    case 'replay':
      return `replay ${effect.event.type}`;
    case 'warn':
      return `warn ${effect.error.code}`;
    default:
      return effect.type;
  }
}

const on = (event: OpenCodeEvent): Input => ({ type: 'event', event });
const status = (now: SessionStatus, sessionID = 'ses'): Input =>
  on({ type: 'session.status', properties: { sessionID, status: now } });
const BUSY = status({ type: 'busy' });
const IDLE = status({ type: 'idle' });
const retry = (message: string, next: number): Input => status({ type: 'retry', attempt: 1, message, next });
const error = (name: string, message = name): Input =>
  on({ type: 'session.error', properties: { sessionID: 'ses', error: { name, data: { message } } } });

const TOKENS = { input: 0, output: 1, reasoning: 0, cache: { read: 0, write: 0 } };
const user: Message = { id: PROMPT, sessionID: 'ses', role: 'user', time: { created: 10 } };
function assistant(id: string, more: Partial<AssistantMessage> = {}): AssistantMessage {
  const head = { id, sessionID: 'ses', role: 'assistant', parentID: PROMPT, time: { created: 20 } } as const;
  return { ...head, cost: 0, tokens: TOKENS, ...more };
}
const complete = (id: string, more: Partial<AssistantMessage> = {}) =>
  assistant(id, { time: { created: 20, completed: 30 }, finish: 'stop', ...more });
const aborted = (id: string) => complete(id, { finish: undefined, error: { name: 'MessageAbortedError' } });
const message = (info: Message): Input => on({ type: 'message.updated', properties: { info } });
const text = (messageID: string, words: string): Part => ({
  id: `prt_${messageID}`,
  sessionID: 'ses',
  messageID,
  type: 'text',
  text: words,
  time: { start: 21, end: 22 },
});
const part = (of: Part): Input => on({ type: 'message.part.updated', properties: { part: of } });
const running: Part = {
  id: 'prt_tool',
  sessionID: 'ses',
  messageID: 'a',
  type: 'tool',
  callID: 'call',
  tool: 'bash',
  state: { status: 'running', input: { command: 'sleep 99' } },
};
const background: Part = {
  ...running,
  type: 'tool',
  callID: 'call_task',
  tool: 'task',
  state: {
    status: 'completed',
    input: {},
    output: '',
    title: 'A part',
    metadata: { background: true, sessionId: 'ses_child' },
    time: { start: 21, end: 22 },
  },
};
const asked: PermissionAsked = {
  id: 'per',
  sessionID: 'ses',
  permission: 'bash',
  patterns: ['ls'],
  metadata: {},
};
const ASKED = on({ type: 'permission.asked', properties: asked });
const replied = on({
  type: 'permission.replied',
  properties: { sessionID: 'ses', requestID: 'per', reply: 'once' },
});

const BEGIN: Input = { type: 'begin turn', turn: 1, promptId: PROMPT };
const SEND: Input = { type: 'send prompt', perhapsSent: false, sentAt: undefined };
const SENT: Input = { type: 'prompt sent', turn: 1, known: false, sentAt: undefined };
const LOST: Input = { type: 'stream lost', why: 'cut' };
const GAP: Input = { type: 'stream gap' };
const ACTIVITY: Input = { type: 'activity' };
const WATCHDOG: Input = { type: 'timer', timer: 'watchdog' };
const RECONCILIATION: Input = { type: 'timer', timer: 'reconciliation' };
const AWAITED: Input = { type: 'stream awaited' };
const READ_BEGINS: Input = { type: 'read begins' };
const READ_ENDS: Input = { type: 'read ends' };
const INTERRUPT: Input = { type: 'interrupt' };
const STOP: Input = { type: 'stop' };
const STOPPED: Input = { type: 'stopped', turn: 1, ok: true };
const NOT_STOPPED: Input = { type: 'stopped', turn: 1, ok: false };
const done = (purpose: ReadPurpose, turn = 1): Input => ({ type: 'read done', turn, purpose });
const unread = (purpose: ReadPurpose, code: 'ENGINE_UNAVAILABLE' | 'ENGINE_NOT_FOUND'): Input => ({
  type: 'read failed',
  turn: 1,
  purpose,
  error: new BridgeError(code, 'no records'),
});
const polled = (missed: boolean | undefined): Input => ({ type: 'polled', turn: 1, missed });

interface Recorded {
  status?: SessionStatus;
  below?: Record<string, MessageWithParts[]>;
  statuses?: Record<string, SessionStatus>;
  permissions?: PermissionAsked[];
  openBefore?: string[];
}
/** A snapshot of OpenCode's records. */
function records(messages: [Message, ...Part[]][], more: Recorded = {}): Input {
  const { status: own, below = {}, statuses = {}, permissions = [], openBefore = [] } = more;
  return {
    type: 'records',
    scope: 'turn',
    turn: 1,
    records: {
      messages: messages.map(([info, ...parts]) => ({ info, parts })),
      below: new Map(Object.entries(below)),
      statuses: new Map(Object.entries({ ...statuses, ...(own && { ses: own }) })),
      requests: { permissions, questions: [] },
      openBefore,
      later: new Map(),
    },
  };
}
/** The inputs of a whole read. */
const read = (purpose: ReadPurpose, snapshot: Input): Input[] => [
  READ_BEGINS,
  snapshot,
  READ_ENDS,
  done(purpose),
];
const COMPLETED = records([
  [user, text(PROMPT, 'do it')],
  [complete('a'), text('a', 'done')],
]);
/** Read from the task's first prompt on. */
const OF_TASK: Input = COMPLETED.type === 'records' ? { ...COMPLETED, scope: 'task' } : COMPLETED;
const WORKING = records([[user, text(PROMPT, 'do it')]], { status: { type: 'busy' } });
const STORED = records([[user, text(PROMPT, 'do it')]]);
const NOTHING = records([]);

const ACCEPTED: Row[] = [BEGIN, SEND, SENT];
const RUNNING: Row[] = [...ACCEPTED, BUSY, message(assistant('a')), ACTIVITY];

describe.each<[string, [string, Row[]][]]>([
  [
    'a turn',
    [
      [
        'runs from its prompt to its idle',
        [
          [BEGIN],
          [SEND, 'send prompt'],
          [SENT, 'arm watchdog 5000'],
          [BUSY],
          [message(assistant('a'))],
          [part(text('a', 'done')), 'emit output'],
          [message(complete('a')), 'emit usage'],
          [IDLE, 'disarm watchdog', 'conclude completed'],
          [{ type: 'end turn', turn: 1 }, 'disarm watchdog'],
        ],
      ],
      [
        'is not over at an idle before its last message is complete: the records decide',
        [
          ...RUNNING,
          [IDLE, 'await stream'],
          [AWAITED, 'read for reconcile'],
          [READ_BEGINS],
          [COMPLETED, 'emit output, usage'],
          [READ_ENDS],
          [done('reconcile'), 'disarm watchdog', 'conclude completed'],
        ],
      ],
      ['is not over at the idle of the turn before', [...ACCEPTED, [IDLE, 'await stream']]],
      [
        'is not over at an idle between two steps',
        [...RUNNING, message(complete('a', { finish: 'tool-calls' })), [IDLE, 'await stream']],
      ],
      [
        'may be over before the response to its prompt comes',
        [
          BEGIN,
          SEND,
          BUSY,
          message(complete('a')),
          [IDLE, 'disarm watchdog', 'conclude completed'],
          [SENT],
          [WATCHDOG],
        ],
      ],
      [
        'may start before the response to its prompt comes: then only the silence of the model is limited',
        [BEGIN, SEND, BUSY, [SENT, 'arm watchdog 5000'], STALL_MS, [WATCHDOG, 'read for stall']],
      ],
      [
        'ends once',
        [
          ...RUNNING,
          message(complete('a')),
          IDLE,
          [IDLE],
          [GAP],
          [INTERRUPT],
          [{ type: 'close' }],
          [{ type: 'prompt not sent', turn: 1, outcome: { kind: 'interrupted', summary: '' } }],
        ],
      ],
      [
        'takes no result that is for an earlier one',
        [
          ...RUNNING,
          { type: 'end turn', turn: 1 },
          { type: 'begin turn', turn: 2, promptId: 'msg_2' },
          [SENT],
          [STOPPED],
          [polled(true)],
          [done('stall')],
          [done('start limit')],
          [done('after stop')],
          [{ type: 'end turn', turn: 1 }],
        ],
      ],
      [
        'ends as interrupted when the run is closed',
        [...RUNNING, [{ type: 'close' }, 'disarm watchdog', 'conclude interrupted']],
      ],
    ],
  ],
  [
    'an error of the session',
    [
      [
        'is a note while the turn runs',
        [
          ...RUNNING,
          [error('ContextOverflowError'), 'emit ContextOverflowError'],
          message(complete('b')),
          [IDLE, 'disarm watchdog', 'conclude completed'],
        ],
      ],
      [
        'before the turn has started is believed when it is read twice',
        [
          ...ACCEPTED,
          [error('UnknownError', 'Model not found: x/y.'), 'emit UnknownError', 'await stream'],
          [AWAITED, 'read for reconcile'],
          ...read('reconcile', NOTHING).slice(0, -1),
          [done('reconcile'), 'arm reconciliation 1000'],
          1_000,
          [RECONCILIATION, 'read for reconcile'],
          ...read('reconcile', NOTHING).slice(0, -1),
          [done('reconcile'), 'disarm watchdog', 'conclude MODEL_NOT_FOUND'],
        ],
      ],
      [
        'is forgotten where the turn begins after all',
        [
          ...ACCEPTED,
          error('UnknownError', 'Model not found: x/y.'),
          AWAITED,
          ...read('reconcile', NOTHING),
          1_000,
          RECONCILIATION,
          ...read('reconcile', WORKING).slice(0, -1),
          [done('reconcile')],
        ],
      ],
      [
        'that says nothing is explained first',
        [
          ...ACCEPTED,
          error('UnknownError'),
          AWAITED,
          ...read('reconcile', NOTHING),
          RECONCILIATION,
          ...read('reconcile', NOTHING).slice(0, -1),
          [done('reconcile'), 'explain'],
          [
            {
              type: 'explained',
              outcome: {
                kind: 'failed',
                summary: '',
                finish: 'error',
                error: { code: 'AGENT_NOT_FOUND', message: '' },
              },
            },
            'disarm watchdog',
            'conclude AGENT_NOT_FOUND',
          ],
        ],
      ],
      [
        'that is an abort, before the turn has started, is of the turn before',
        [...ACCEPTED, [error('MessageAbortedError')]],
      ],
      [
        'that is an abort by somebody else ends the turn with its last message',
        [
          ...RUNNING,
          [error('MessageAbortedError')],
          message(aborted('a')),
          [IDLE, 'disarm watchdog', 'conclude ABORTED_EXTERNALLY'],
        ],
      ],
      [
        'that is an abort by somebody else ends the turn where its last message stays open',
        [
          ...RUNNING,
          error('MessageAbortedError'),
          [IDLE, 'await stream'],
          AWAITED,
          ...read('reconcile', records([[user], [assistant('a')]])),
          ...read('reconcile', records([[user], [assistant('a')]])).slice(0, -1),
          [done('reconcile'), 'disarm watchdog', 'conclude ABORTED_EXTERNALLY'],
        ],
      ],
    ],
  ],
  [
    'a gap',
    [
      [
        'is filled from the records, and events that come meanwhile follow',
        [
          ...RUNNING,
          [LOST, 'emit ENGINE_UNREACHABLE'],
          [GAP, 'await stream'],
          [message(complete('b', { time: { created: 40, completed: 50 } }))],
          [IDLE],
          [AWAITED, 'read for reconcile'],
          READ_BEGINS,
          [
            records([[user], [complete('a', { finish: 'tool-calls' }), text('a', 'first')]], {
              status: { type: 'busy' },
            }),
            'emit output, usage',
          ],
          [READ_ENDS],
          [
            done('reconcile'),
            'replay message.updated',
            'emit usage',
            'replay session.status',
            'disarm watchdog',
            'conclude completed',
          ],
        ],
      ],
      [
        'reports nothing twice',
        [
          ...RUNNING,
          part(text('a', 'done')),
          message(complete('a')),
          GAP,
          AWAITED,
          READ_BEGINS,
          [COMPLETED],
          READ_ENDS,
          [done('reconcile'), 'disarm watchdog', 'conclude completed'],
        ],
      ],
      [
        'during a reconciliation has the records read once more',
        [
          ...RUNNING,
          [IDLE, 'await stream'],
          [GAP],
          AWAITED,
          ...read('reconcile', WORKING).slice(0, -1),
          [done('reconcile'), 'await stream'],
        ],
      ],
      [
        'that needs the records read again holds the rest of the events',
        [
          ...RUNNING,
          GAP,
          IDLE,
          part(text('a', 'done')),
          AWAITED,
          ...read('reconcile', WORKING).slice(0, -1),
          [done('reconcile'), 'replay session.status', 'await stream', 'replay message.part.updated'],
          AWAITED,
          ...read('reconcile', WORKING).slice(0, -1),
          [done('reconcile'), 'replay message.part.updated', 'emit output'],
        ],
      ],
      ['between two turns is nothing', [[LOST], [GAP]]],
      [
        'whose records cannot be read is tried again',
        [
          ...RUNNING,
          GAP,
          AWAITED,
          READ_BEGINS,
          READ_ENDS,
          [unread('reconcile', 'ENGINE_UNAVAILABLE'), 'warn ENGINE_UNAVAILABLE', 'arm reconciliation 1000'],
          [RECONCILIATION, 'await stream'],
        ],
      ],
      [
        'whose session is gone fails the turn',
        [
          ...RUNNING,
          GAP,
          AWAITED,
          [unread('reconcile', 'ENGINE_NOT_FOUND'), 'disarm watchdog', 'conclude ENGINE_NOT_FOUND'],
        ],
      ],
    ],
  ],
  [
    'the prompt',
    [
      [
        'that an earlier process sent is limited from then on, and the records are read',
        [
          BEGIN,
          [{ type: 'send prompt', perhapsSent: true, sentAt: 998_000 }, 'send prompt again'],
          [
            { type: 'prompt sent', turn: 1, known: true, sentAt: 998_000 },
            'arm watchdog 5000',
            'await stream',
          ],
          START_MS - 2_000,
          AWAITED,
          ...read('reconcile', STORED),
          [WATCHDOG, 'read for start limit'],
        ],
      ],
      [
        'that an earlier process sent waits for what the log does not hold, and that decides nothing',
        [
          BEGIN,
          { type: 'send prompt', perhapsSent: true, sentAt: undefined },
          READ_BEGINS,
          [message(complete('a'))],
          [OF_TASK, 'emit output, usage'],
          [READ_ENDS, 'replay message.updated'],
          [
            { type: 'prompt sent', turn: 1, known: true, sentAt: undefined },
            'arm watchdog 5000',
            'await stream',
          ],
        ],
      ],
      [
        'that OpenCode lost is sent once more',
        [
          ...ACCEPTED,
          START_MS,
          [WATCHDOG, 'read for start limit'],
          ...read('start limit', NOTHING).slice(0, -1),
          [done('start limit'), 'send prompt again', 'arm watchdog 5000'],
          5_000,
          WATCHDOG,
          ...read('start limit', NOTHING).slice(0, -1),
          [done('start limit'), 'arm watchdog 5000'],
          [SENT, 'arm watchdog 5000'],
        ],
      ],
      [
        'with which OpenCode never began is given up',
        [
          ...ACCEPTED,
          START_MS,
          WATCHDOG,
          ...read('start limit', STORED).slice(0, -1),
          [done('start limit'), 'disarm watchdog', 'stop sessions'],
          [STOPPED, 'conclude TURN_NEVER_STARTED'],
        ],
      ],
      [
        'whose start no event told of is looked up',
        [
          ...ACCEPTED,
          START_MS,
          WATCHDOG,
          ...read('start limit', WORKING).slice(0, -1),
          [done('start limit'), 'await stream', 'arm watchdog 5000'],
        ],
      ],
      [
        'is not put off by activity before it starts',
        [...ACCEPTED, START_MS, [ACTIVITY], [retry('busy', 2_000_000), 'emit retrying'], WATCHDOG],
      ],
      [
        'that OpenCode refuses fails the turn',
        [
          BEGIN,
          SEND,
          [
            {
              type: 'prompt not sent',
              turn: 1,
              outcome: {
                kind: 'failed',
                summary: '',
                finish: 'error',
                error: { code: 'ENGINE_ERROR', message: '' },
              },
            },
            'disarm watchdog',
            'conclude ENGINE_ERROR',
          ],
        ],
      ],
      [
        'is not sent to a turn that was interrupted before',
        [BEGIN, [INTERRUPT, 'stop sessions'], [SEND], [STOPPED, 'conclude interrupted']],
      ],
    ],
  ],
  [
    'a silent model',
    [
      [
        'is stopped after the limit',
        [
          ...RUNNING,
          1_000,
          [WATCHDOG, 'arm watchdog 5000'],
          STALL_MS - 1_000,
          [WATCHDOG, 'read for stall'],
          ...read('stall', WORKING).slice(0, -1),
          [done('stall'), 'disarm watchdog', 'stop sessions'],
          [IDLE],
          [STOPPED, 'conclude TURN_STALLED'],
        ],
      ],
      [
        'has not stalled where the records say that it is done',
        [
          ...RUNNING,
          STALL_MS,
          WATCHDOG,
          ...read('stall', COMPLETED).slice(0, -1),
          [done('stall'), 'await stream', 'arm watchdog 5000'],
        ],
      ],
      [
        'is checked later where the records cannot be read',
        [...RUNNING, STALL_MS, WATCHDOG, [unread('stall', 'ENGINE_UNAVAILABLE'), 'arm watchdog 5000']],
      ],
      [
        'has not stalled while a tool runs',
        [...RUNNING, part(running), STALL_MS, [WATCHDOG, 'arm watchdog 5000']],
      ],
      [
        'has not stalled while a request is open',
        [
          ...RUNNING,
          [ASKED, 'emit request_opened'],
          WATCHDOG,
          STALL_MS,
          [WATCHDOG, 'arm watchdog 5000'],
          [replied, 'emit request_closed'],
          STALL_MS,
          [WATCHDOG, 'read for stall'],
        ],
      ],
      [
        'has not stalled where a request shows up in the records',
        [
          ...RUNNING,
          STALL_MS,
          WATCHDOG,
          READ_BEGINS,
          [records([[user]], { status: { type: 'busy' }, permissions: [asked] }), 'emit request_opened'],
          READ_ENDS,
          [done('stall'), 'arm watchdog 5000'],
        ],
      ],
      [
        'has not stalled while the stream is lost',
        [
          ...RUNNING,
          LOST,
          WATCHDOG,
          STALL_MS,
          [WATCHDOG, 'arm watchdog 5000'],
          [WATCHDOG, 'arm watchdog 5000'],
        ],
      ],
      [
        'that its provider asks to wait has not stalled, and one that timed out has',
        [
          ...RUNNING,
          [retry('slow down', 1_000_000 + STALL_MS), 'emit retrying'],
          STALL_MS,
          [WATCHDOG, 'arm watchdog 5000'],
          STALL_MS,
          [retry('request timed out', 9_000_000), 'emit retrying'],
          [WATCHDOG, 'read for stall'],
        ],
      ],
      [
        'is polled for what was missed',
        [
          ...RUNNING,
          5_000,
          [WATCHDOG, 'poll'],
          [polled(undefined), 'arm watchdog 5000'],
          [polled(true), 'await stream', 'arm watchdog 5000'],
        ],
      ],
      [
        'that has not been asked yet has its slow start reported, once',
        [
          ...ACCEPTED,
          BUSY,
          [polled(false), 'arm watchdog 5000'],
          [polled(false), 'list MCP servers'],
          [{ type: 'MCP servers', turn: 1, names: ['slow'] }, 'emit ENGINE_STARTING', 'arm watchdog 5000'],
          [polled(false), 'arm watchdog 5000'],
        ],
      ],
    ],
  ],
  [
    'an interruption',
    [
      [
        'ends the turn when OpenCode has stopped',
        [
          ...RUNNING,
          [INTERRUPT, 'disarm watchdog', 'stop sessions'],
          [INTERRUPT],
          [message(aborted('a')), 'emit usage'],
          [IDLE],
          [STOPPED, 'read for after stop'],
          ...read('after stop', records([[user], [aborted('a')]])).slice(0, -1),
          [done('after stop'), 'conclude interrupted'],
        ],
      ],
      [
        'that comes after the end of the work interrupts nothing',
        [
          ...RUNNING,
          INTERRUPT,
          message(complete('a')),
          [IDLE],
          [STOPPED, 'read for after stop'],
          ...read('after stop', COMPLETED).slice(0, -1),
          [done('after stop'), 'conclude completed'],
        ],
      ],
      [
        'without records is one',
        [
          ...RUNNING,
          INTERRUPT,
          STOPPED,
          [unread('after stop', 'ENGINE_UNAVAILABLE'), 'conclude interrupted'],
        ],
      ],
      ['of a session that goes on is one', [...RUNNING, INTERRUPT, [NOT_STOPPED, 'conclude interrupted']]],
      ['between two turns is nothing', [[INTERRUPT]]],
      [
        'before a reconciliation is done decides',
        [
          ...RUNNING,
          IDLE,
          AWAITED,
          INTERRUPT,
          ...read('reconcile', COMPLETED).slice(0, -1),
          [done('reconcile')],
          [STOPPED, 'read for after stop'],
        ],
      ],
    ],
  ],
  [
    'a stop',
    [
      [
        'ends the turn without a look at the records',
        [...RUNNING, [STOP, 'disarm watchdog', 'stop sessions'], [STOPPED, 'conclude interrupted']],
      ],
      [
        'during an interruption stops nothing twice',
        [...RUNNING, INTERRUPT, [STOP], [STOPPED, 'read for after stop']],
      ],
      ['between two turns still stops the sessions', [[STOP, 'stop sessions']]],
      [
        'after the end of a turn still stops its sessions',
        [...RUNNING, message(complete('a')), IDLE, [STOP, 'stop sessions'], [STOPPED]],
      ],
    ],
  ],
  [
    'background subagents',
    [
      [
        'keep the turn open at its idle',
        [
          ...RUNNING,
          part(background),
          message(complete('a')),
          [IDLE, 'await stream'],
          AWAITED,
          ...read(
            'reconcile',
            records([[user], [complete('a'), background]], {
              below: { ses_child: [] },
              statuses: { ses_child: { type: 'busy' } },
            }),
          ).slice(0, -1),
          [done('reconcile')],
          [status({ type: 'idle' }, 'ses_child'), 'await stream'],
        ],
      ],
      [
        'that nobody waits for end nothing',
        [...RUNNING, [status({ type: 'busy' }, 'ses_other')], [status({ type: 'idle' }, 'ses_other')]],
      ],
    ],
  ],
  [
    'a session that somebody deletes',
    [
      [
        'is aborted, and its records read',
        [
          ...RUNNING,
          [
            on({
              type: 'session.deleted',
              properties: { info: { id: 'ses', directory: '/w', time: { created: 1 } } },
            }),
            'abort deleted session',
          ],
          [{ type: 'deleted session aborted' }, 'await stream'],
        ],
      ],
    ],
  ],
  [
    'a request',
    [
      [
        'that is gone from the records without a reply is closed',
        [
          ...RUNNING,
          ASKED,
          READ_BEGINS,
          [records([[user]], { status: { type: 'busy' }, openBefore: ['per'] }), 'emit request_closed'],
        ],
      ],
      [
        'that is dismissed with its session closes without an event, and is not opened again',
        [
          ...RUNNING,
          ASKED,
          [{ type: 'dismiss requests' }],
          [{ type: 'requests dismissed', ids: ['per', 'per_2'] }],
          [replied],
          [ASKED],
          [on({ type: 'permission.asked', properties: { ...asked, id: 'per_2' } })],
        ],
      ],
    ],
  ],
])('%s', (_subject, rows) => {
  it.each(rows)('%s', (_name, inputs) => {
    play(inputs);
  });
});

it('changes no state that it was given', () => {
  const before = play(RUNNING);
  const moment = { now: 1_000_000, connected: true, approvals: [] };
  const inputs = [part(text('a', 'done')), message(complete('a')), ASKED, IDLE];
  const effects = () => inputs.map((input) => reduce(before, input, moment).effects);
  expect(effects()).toEqual(effects());
});
