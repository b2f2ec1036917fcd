import type { EventOf, InputRequest, TaskEventKind } from '../src/tasks/events.ts';

const request: InputRequest = {
  id: 'per_1',
  type: 'permission',
  title: 'Allow bash: npm test',
  permission: 'bash',
  patterns: ['npm test'],
  session_id: 'ses_1',
  expires_at: Date.UTC(2026, 0, 2, 3, 9),
};

const usage = {
  input_tokens: 1_200,
  output_tokens: 80,
  reasoning_tokens: 0,
  cache_read_tokens: 9_000,
  cache_write_tokens: 0,
  cost_usd: 0.0123,
};

const result = {
  summary: 'The tests pass.',
  files_changed: [{ path: 'sum.js', change: 'added' as const, additions: 3, deletions: 0 }],
  files_changed_total: 1,
  finish: 'stop',
};

const stopped = { summary: 'I look at the tests.', files_changed: [], files_changed_total: 0 };

/** An event of each kind. */
export const EXAMPLES: { readonly [K in TaskEventKind]: EventOf<K> } = {
  created: {
    kind: 'created',
    agent_id: 'agent-1',
    description: 'Write sum.js.',
    runner: 'opencode-server',
    directory: '/workspaces/task_1',
    owns_directory: true,
    observers: ['@ann:example.org'],
    timeout_ms: 3_600_000,
  },
  started: { kind: 'started' },
  attached: { kind: 'attached', session_id: 'ses_1', prompt_id: 'msg_1' },
  output: { kind: 'output', text: 'I look at the tests.', message_id: 'msg_2', part_id: 'prt_1' },
  tool: {
    kind: 'tool',
    phase: 'finished',
    call_id: 'call_1',
    tool: 'bash',
    title: 'npm test',
    ok: true,
    output: '1 passed',
    exit_code: 0,
    duration_ms: 812,
  },
  file_changed: { kind: 'file_changed', path: 'sum.js', tool: 'write' },
  todo: { kind: 'todo', items: [{ content: 'Write sum.js', status: 'completed', priority: 'high' }] },
  request_opened: { kind: 'request_opened', request },
  request_closed: { kind: 'request_closed', request_id: 'per_1', by: 'agent-1', reply: 'once' },
  message: {
    kind: 'message',
    from: 'human',
    delivery: 'queue',
    text: 'Mind negative numbers.',
    ref: '$event',
  },
  message_sent: { kind: 'message_sent', message_seqs: [12], prompt_id: 'msg_3' },
  control: { kind: 'control', control: 'pause', by: 'agent-1', reason: 'lunch' },
  retrying: {
    kind: 'retrying',
    attempt: 1,
    message: 'HTTP 529: Overloaded',
    next_at: Date.UTC(2026, 0, 2, 3, 4, 15),
  },
  usage: { kind: 'usage', usage },
  warning: {
    kind: 'warning',
    code: 'BRIDGE_RESTARTED',
    message: 'The bridge was restarted; it resumes the task from its log.',
  },
  paused: { kind: 'paused' },
  resumed: { kind: 'resumed' },
  completed: { kind: 'completed', result },
  failed: {
    kind: 'failed',
    error: { code: 'PROVIDER_AUTH', message: "The model's provider refused the credentials: HTTP 401" },
    result: { ...stopped, finish: 'error' },
  },
  timeout: {
    kind: 'timeout',
    error: { code: 'TIMEOUT', message: 'The task ran into its limit of 3600000 ms.' },
    result: { ...stopped, finish: 'interrupted' },
  },
  cancelled: {
    kind: 'cancelled',
    by: 'agent-1',
    reason: 'no longer needed',
    result: { ...stopped, finish: 'interrupted' },
  },
};

/** The events that precede an event of a kind. */
export function before(kind: TaskEventKind): EventOf<TaskEventKind>[] {
  const { created, started, request_opened, paused } = EXAMPLES;
  switch (kind) {
    case 'created':
      return [];
    case 'started':
      return [created];
    case 'request_closed':
      return [created, started, request_opened];
    case 'resumed':
      return [created, started, paused];
    default:
      return [created, started];
  }
}
