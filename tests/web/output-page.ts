import type { TaskEventBody } from '../../src/tasks/events.ts';
import { startPageServer } from './browser.ts';

type Tool = Extract<TaskEventBody, { kind: 'tool' }>;

/** The bridge with its page and one task whose agent does what the test says; `url` is the page of the task. */
export async function startTask(description = 'Write sum.js.') {
  const server = await startPageServer();
  const client = await server.client();
  const taskId = await client.start({ task_description: description });
  const run = await server.bridge.runner.turnOf(taskId);
  const call = (
    phase: Tool['phase'],
    call_id: string,
    tool: string,
    title: string,
    more: Partial<Tool> = {},
  ) => run.emit({ kind: 'tool', phase, call_id, tool, title, ...more });
  let parts = 0;
  return {
    ...server,
    taskId,
    run,
    url: `${server.origin}/tasks/${taskId}`,
    say(text: string): void {
      parts += 1;
      run.emit({ kind: 'output', text, message_id: 'msg_1', part_id: `prt_${parts}` });
    },
    call,
    /** A call that is over. */
    ran(call_id: string, tool: string, title: string, more: Partial<Tool> = {}): void {
      const { parent_call_id } = more;
      call('started', call_id, tool, title, { parent_call_id });
      call('finished', call_id, tool, title, { ok: true, duration_ms: 12, ...more });
    },
    /** Many events of one kind of noise: what the model says and what commands print. */
    emitMany(count: number): void {
      for (let index = 0; index < count; index += 4) {
        parts += 1;
        const id = `many_${parts}`;
        const title = `npm run step-${parts}`;
        const bash = { kind: 'tool' as const, call_id: id, tool: 'bash', title };
        run.emit(
          { kind: 'output', text: `Step ${parts} of many.\nIt goes on.`, message_id: 'm', part_id: id },
          { ...bash, phase: 'started' },
          { ...bash, phase: 'finished', ok: true, output: OUTPUT, exit_code: 0, duration_ms: 1_234 },
          { kind: 'file_changed', path: `src/${parts}.ts`, tool: 'write' },
        );
      }
    },
  };
}

const OUTPUT = Array.from(
  { length: 20 },
  (_, line) => `\u001b[3${line % 8}mline ${line}\u001b[0m of the output`,
).join('\n');
