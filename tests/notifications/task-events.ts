import type { InputRequest, TaskEventBody } from '../../src/tasks/events.ts';

export const STARTED: TaskEventBody = { kind: 'started' };
export const USAGE: TaskEventBody = {
  kind: 'usage',
  usage: {
    input_tokens: 1_000,
    output_tokens: 200,
    reasoning_tokens: 30,
    cache_read_tokens: 4,
    cache_write_tokens: 0,
    cost_usd: 0.0425,
  },
};
export const completed = (summary = 'Done.', files = 1): TaskEventBody => ({
  kind: 'completed',
  result: {
    summary,
    files_changed: Array.from({ length: files }, (_, n) => ({
      path: `src/file-${n}.ts`,
      change: 'modified',
      additions: 3,
      deletions: 1,
    })),
    files_changed_total: files,
    finish: 'stop',
  },
});
export const output = (text: string): TaskEventBody => ({
  kind: 'output',
  text,
  message_id: 'm',
  part_id: text,
});
export const permission = (fields: Partial<InputRequest> = {}): TaskEventBody => ({
  kind: 'request_opened',
  request: {
    id: 'per_1',
    type: 'permission',
    title: 'rm -rf build',
    permission: 'bash',
    patterns: ['rm -rf *'],
    session_id: 'ses_1',
    expires_at: Date.now() * 2,
    ...fields,
  },
});
export const QUESTION: TaskEventBody = {
  kind: 'request_opened',
  request: {
    id: 'que_1',
    type: 'question',
    title: 'Which <colour>?',
    questions: [
      {
        header: 'Colour',
        question: 'Which colour shall it have?',
        options: [
          { label: 'red', description: 'like <b>blood</b>' },
          { label: 'blue', description: '' },
        ],
      },
    ],
    session_id: 'ses_1',
    expires_at: Date.now() * 2,
  },
};
