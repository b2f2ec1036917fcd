/** How the curl example of an operation differs from one with what the operation requires. */
export interface ApiExample {
  /** After the path, with the question mark. */
  query?: string;
  headers?: readonly string[];
  body?: object;
  /** Options of curl. */
  options?: string;
}

/** By operationId. */
export const API_EXAMPLES: Readonly<Record<string, ApiExample>> = {
  executeTask: {
    headers: ['Idempotency-Key: hello-1'],
    body: { task_description: 'Write hello.py, run it, and say what it printed.' },
  },
  listTasks: { query: '?status=running&limit=10' },
  getTaskStatus: { query: '?wait_ms=50000' },
  listEvents: { headers: ['Accept: text/event-stream'], options: '-N' },
  cancelTask: { body: { reason: 'No longer needed.' } },
  pauseTask: { body: { reason: 'Wait for the review.' } },
  resumeTask: {},
  sendMessage: { body: { message: 'Use Python 3.12.', delivery: 'interrupt' } },
  answerRequest: { body: { reply: 'once' } },
  getArchive: { options: '-o task.tar' },
  followTasks: { options: '-N' },
};
