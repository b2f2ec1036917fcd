import { describe, expect, it } from 'vitest';
import type { LiveSink } from '../../../src/runners/live-sink.ts';
import { readFrame } from '../../../src/runners/opencode-protocol/frame.ts';
import { LiveText } from '../../../src/runners/opencode-server/live-text.ts';
import { type Reported, reportedOf } from '../../../src/runners/opencode-server/reported.ts';

/** What it passes on, from frames as OpenCode sends them. */
function listen(reported: (id: string) => Reported = () => 'nothing') {
  const calls: string[] = [];
  let wanted = true;
  const sink: LiveSink = {
    get wanted() {
      return wanted;
    },
    begin: ({ id, child }) => calls.push(`begin ${id}${child ? ' child' : ''}`),
    append: ({ id, child }, text) => calls.push(`append ${id}${child ? ' child' : ''}: ${text}`),
    show: ({ id }, text, isEnd) => calls.push(`show ${id}: ${text.slice(0, 20)}${isEnd ? ' (end)' : ''}`),
    gap: () => calls.push('gap'),
    end: ({ id }) => calls.push(`end ${id}`),
  };
  const live = new LiveText({ sessionId: 'ses', sink, reportedOf: reported });
  const send = (type: string, properties: object): void => {
    const frame = readFrame(JSON.stringify({ directory: '/w', payload: { id: 'evt', type, properties } }));
    if (frame.kind === 'event') live.onEvent(frame.event);
    else if (frame.kind === 'delta') live.onDelta(frame.delta);
    else throw new Error(`not read: ${JSON.stringify(frame)}`);
  };
  const message = (id: string, role: 'user' | 'assistant', more: object = {}, sessionID = 'ses'): void => {
    const base = { id, sessionID, role, time: { created: 1 }, parentID: 'msg_u', cost: 0 };
    const tokens = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
    send('message.updated', { sessionID, info: { ...base, tokens, ...more } });
  };
  const part = (id: string, type: string, more: object, messageID = 'msg_a', sessionID = 'ses'): void =>
    send('message.part.updated', { sessionID, part: { id, type, messageID, sessionID, ...more }, time: 1 });
  return {
    live,
    calls,
    message,
    part,
    follow: (on: boolean) => {
      wanted = on;
    },
    text: (id: string, text = '', more: object = {}, messageID = 'msg_a', sessionID = 'ses') =>
      part(id, 'text', { text, time: { start: 1 }, ...more }, messageID, sessionID),
    tool: (callID: string, state: object) =>
      part(`prt_${callID}`, 'tool', { callID, tool: 'bash', state: { input: {}, ...state } }),
    delta: (partID: string, delta: string, field = 'text', sessionID = 'ses') =>
      send('message.part.delta', { sessionID, messageID: 'msg_a', partID, field, delta }),
  };
}

const ENDED = { time: { start: 1, end: 2 } };
const completed = (output: unknown) => ({
  ...{ status: 'completed', output: 'o', title: 't', metadata: { output }, time: { start: 1, end: 2 } },
});

describe('text', () => {
  it('is that of the agent, from the beginning of a part to its end', () => {
    const { calls, message, text, delta } = listen();
    message('msg_a', 'assistant');
    text('prt_1');
    delta('prt_1', 'hello ');
    delta('prt_1', 'world');
    text('prt_1', 'hello world', ENDED);
    delta('prt_1', 'behind the end');
    expect(calls).toEqual(['begin prt_1', 'append prt_1: hello ', 'append prt_1: world']);
  });

  it('is not reasoning, a prompt, a summary, nor what OpenCode writes itself', () => {
    const { calls, message, part, text, delta } = listen();
    message('msg_u', 'user');
    message('msg_a', 'assistant');
    message('msg_s', 'assistant', { summary: true });
    part('prt_reasoning', 'reasoning', { text: '', time: { start: 1 } });
    text('prt_prompt', '', { time: undefined }, 'msg_u');
    text('prt_summary', '', {}, 'msg_s');
    text('prt_unknown', '', {}, 'msg_x');
    text('prt_synthetic', '', { synthetic: true });
    text('prt_ignored', '', { ignored: true });
    text('prt_other');
    for (const id of ['reasoning', 'prompt', 'summary', 'unknown', 'synthetic', 'ignored', 'unseen'])
      delta(`prt_${id}`, 'never shown');
    delta('prt_other', 'never shown', 'metadata');
    expect(calls).toEqual(['begin prt_other']);
  });

  it('of a subagent is marked, and ended by its part', () => {
    const { calls, message, text, delta } = listen();
    message('msg_a', 'assistant', {}, 'ses_child');
    text('prt_1', '', {}, 'msg_a', 'ses_child');
    delta('prt_1', 'child', 'text', 'ses_child');
    text('prt_1', 'child', ENDED, 'msg_a', 'ses_child');
    expect(calls).toEqual(['begin prt_1 child', 'append prt_1 child: child', 'end prt_1']);
  });

  it('is known while nobody follows, and passed on from then on', () => {
    const { calls, message, part, text, delta, follow } = listen();
    follow(false);
    message('msg_a', 'assistant');
    part('prt_r', 'reasoning', { text: '' });
    text('prt_1');
    delta('prt_1', 'unheard');
    expect(calls).toEqual([]);
    follow(true);
    delta('prt_r', 'never shown');
    delta('prt_1', 'heard');
    expect(calls).toEqual(['append prt_1: heard']);
  });

  it('of a part that the log has is not shown again, when its events come behind the records', () => {
    const keys = new Set<string>();
    const { live, calls, message, text, delta } = listen((id) => reportedOf(id, keys));
    message('msg_a', 'assistant');
    const info = { id: 'msg_a', sessionID: 'ses', role: 'assistant', parentID: 'msg_u', cost: 0 } as const;
    const tokens = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
    const base = { messageID: 'msg_a', sessionID: 'ses', type: 'text', time: { start: 1 } } as const;
    live.onRecords({
      messages: [
        {
          info: { ...info, tokens, time: { created: 1 } },
          parts: [
            { ...base, id: 'prt_done', text: 'whole', ...ENDED },
            { ...base, id: 'prt_open', text: '' },
          ],
        },
      ],
      below: new Map(),
      statuses: new Map(),
      requests: { permissions: [], questions: [] },
      openBefore: [],
      later: new Map(),
    });
    keys.add('prt_done');
    text('prt_done');
    delta('prt_done', 'old news');
    text('prt_done', 'whole', ENDED);
    delta('prt_open', 'begun unseen');
    expect(calls).toEqual(['append prt_open: begun unseen']);
  });
});

describe('the output of a command', () => {
  it('comes between the events of the call', () => {
    const keys = new Set<string>();
    const { calls, tool } = listen((id) => reportedOf(id, keys));
    tool('call_1', { status: 'pending', raw: '' });
    tool('call_1', { status: 'running', metadata: { output: 'before the start is in the log' } });
    keys.add('call_1 running');
    tool('call_1', { status: 'running' });
    tool('call_1', { status: 'running', metadata: { output: '' } });
    tool('call_1', { status: 'running', metadata: { output: '1\n' } });
    tool('call_1', completed('1\n2\n'));
    keys.add('call_1 completed');
    tool('call_1', completed('1\n2\n3\n'));
    tool('call_1', { status: 'running', metadata: { output: 'late' } });
    expect(calls).toEqual(['show call_1: ', 'show call_1: 1\n', 'show call_1: 1\n2\n']);
  });

  it('is the end of a long one behind the mark of OpenCode', () => {
    const { calls, tool } = listen(() => 'start');
    tool('call_1', { status: 'running', metadata: { output: `...\n\n${'x'.repeat(30_000)}` } });
    tool('call_2', { status: 'running', metadata: { output: '...\n\nprinted' } });
    expect(calls).toEqual([`show call_1: ${'x'.repeat(20)} (end)`, 'show call_2: ...\n\nprinted']);
  });

  it('of an odd shape loses no event', () => {
    const { calls, tool } = listen(() => 'start');
    for (const metadata of [null, 'text', [], { output: 7 }, { output: null }])
      tool('call_1', { status: 'running', metadata });
    tool('call_1', completed(7));
    tool('call_1', { status: 'error', error: 'e', time: { start: 1, end: 2 } });
    expect(calls).toEqual([]);
  });
});

it('a delta of an odd shape shows activity, and nothing else', () => {
  const payload = { type: 'message.part.delta', properties: { sessionID: 'ses', partID: 7 } };
  expect(readFrame(JSON.stringify({ payload }))).toEqual({ kind: 'ignored', session: 'ses' });
});
