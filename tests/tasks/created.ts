import type { EventOf } from '../../src/tasks/events.ts';

/** The first event of a task. */
export function created(fields: Partial<EventOf<'created'>> = {}): EventOf<'created'> {
  return {
    kind: 'created',
    agent_id: 'agent-1',
    description: 'Write a program.',
    runner: 'opencode-server',
    directory: '/workspaces/task_1',
    owns_directory: true,
    observers: [],
    timeout_ms: 60_000,
    ...fields,
  };
}
