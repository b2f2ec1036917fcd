import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { z } from 'zod';
import { Progress } from './progress.ts';
import { TASK } from './script.ts';

const WAIT_MS = 50_000;

type Print = (line: string) => void;

const executed = z.object({ task_id: z.string(), status: z.string() });
const status = z.object({
  status: z.string(),
  result: z.object({ summary: z.string() }),
  usage: z.object({ input_tokens: z.number(), output_tokens: z.number(), cost_usd: z.number() }),
});
const files = z.object({
  changes: z.array(z.object({ path: z.string(), change: z.string(), additions: z.number().optional() })),
});
const file = z.object({ content: z.string() });
const history = z.object({
  events: z.array(z.object({ seq: z.number(), kind: z.string() })),
  total: z.number(),
});

/** Runs the task, prints every answer, and returns whether the task completed. */
export async function runTask(client: Client, print: Print): Promise<boolean> {
  const call = async <T>(name: string, args: Record<string, unknown>, schema: z.ZodType<T>): Promise<T> =>
    schema.parse((await client.callTool({ name, arguments: args })).structuredContent);

  print(`\nopencode_execute_task: "${TASK}"`);
  const task = await execute(client);
  const { task_id } = task;
  print(`Task ${task_id}: ${task.status}`);

  const { result, usage } = await call('get_task_status', { task_id }, status);
  print(`\nget_task_status\n  ${result.summary}`);
  print(`  ${usage.input_tokens} tokens in, ${usage.output_tokens} out, $${usage.cost_usd}`);

  const { changes } = await call('get_task_files', { task_id }, files);
  print('\nget_task_files');
  for (const { path, change, additions } of changes) print(`  ${change} ${path} (+${additions ?? 0})`);

  const [first] = changes;
  if (first) {
    const { content } = await call('read_task_file', { task_id, file_path: first.path }, file);
    print(`\nread_task_file ${first.path}\n${content.replace(/^(?=.)/gm, '  ').trimEnd()}`);
  }

  const { events, total } = await call('get_task_history', { task_id }, history);
  print(
    `\nget_task_history: ${total} events\n  ${events.map(({ seq, kind }) => `${seq} ${kind}`).join(', ')}`,
  );
  return task.status === 'completed';
}

async function execute(client: Client): Promise<z.infer<typeof executed>> {
  const progress = new Progress(process.stdout);
  const onprogress = ({ message, progress: percent }: { message?: string | undefined; progress: number }) =>
    progress.show(message ?? '', percent);
  const call = async (name: string, args: Record<string, unknown>) =>
    executed.parse(
      (await client.callTool({ name, arguments: args }, undefined, { onprogress })).structuredContent,
    );
  try {
    let task = await call('opencode_execute_task', { task_description: TASK, sync: true });
    // Where the machine is slow, one call does not wait until the end.
    while (task.status === 'queued' || task.status === 'running')
      task = await call('get_task_status', { task_id: task.task_id, wait_ms: WAIT_MS });
    return task;
  } finally {
    progress.end();
  }
}
