import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { bash, slowly } from '../support/steps.ts';
import type { BenchBridge } from './bench-bridge.ts';
import { ms, type Row } from './report.ts';

const LIMIT_MS = 1_500;
const ROUNDS = 5;
/** What a task is at when its limit comes. */
const WORK: Script[] = [[slowly('bla ', 30_000)], [bash('sleep 30')], [{ text: 'half a word', hang: 'mid' }]];

const begunSchema = z.object({ structuredContent: z.object({ task_id: z.string() }) });
const endedSchema = z.object({
  structuredContent: z.object({ status: z.literal('timeout'), started_at: z.string(), ended_at: z.string() }),
});

/** How long after its limit a task has ended, which is when nothing of it runs any more. */
export async function timedOut({ client }: BenchBridge, directory: string): Promise<Row> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const work of WORK) {
      const order = { task_description: scriptText(work), directory, timeout_ms: LIMIT_MS };
      const begun = await client.callTool({ name: 'opencode_execute_task', arguments: order });
      const { task_id } = begunSchema.parse(begun).structuredContent;
      const question = { task_id, wait_ms: 30_000 };
      const ended = await client.callTool({ name: 'get_task_status', arguments: question });
      const { started_at, ended_at } = endedSchema.parse(ended).structuredContent;
      times.push(Date.parse(ended_at) - Date.parse(started_at) - LIMIT_MS);
    }
  }
  const most = Math.max(...times);
  return {
    what: `end after the limit of a task during text, a command, a provider that hangs, n=${times.length}`,
    measured: `at most ${ms(most)}`,
    comparison: '',
    goal: 'within 1,000 ms',
    ok: most <= 1_000,
  };
}
