import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { bash, slowly } from '../support/steps.ts';
import type { BenchBridge } from './bench-bridge.ts';
import { ms, type Row } from './report.ts';
import { timed, until } from './sample.ts';
import { submitTask } from './tasks.ts';

const ROUNDS = 5;
/** What a task is at when it is cancelled, and how its history shows that. */
const WORK: { steps: Script; shows: string }[] = [
  { steps: [slowly('bla ', 30_000)], shows: '"attached"' },
  { steps: [bash('sleep 30')], shows: '"tool"' },
  { steps: [bash('touch x')], shows: '"request_opened"' },
  { steps: [{ fail: { status: 500 } }], shows: '"retrying"' },
];
/** OpenCode's configuration for the third. */
export const ASKS = { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } };

/** How long a caller waits for the answer that a task is cancelled, which is when nothing of it runs any more. */
export async function cancelled(bridge: BenchBridge, directory: string): Promise<Row> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const work of WORK) times.push(await cancelDuring(bridge, directory, work));
  }
  const most = Math.max(...times);
  return {
    what: `cancel during text, a command, a permission wait, a provider retry, n=${times.length}`,
    measured: `at most ${ms(most)}`,
    comparison: '',
    goal: 'within 2,000 ms',
    ok: most <= 2_000,
  };
}

async function cancelDuring(
  bridge: BenchBridge,
  directory: string,
  { steps, shows }: (typeof WORK)[number],
): Promise<number> {
  const task_id = await submitTask(bridge, `Do it. ${scriptText(steps)}`, directory);
  const call = (name: string, args: object) =>
    bridge.client.callTool({ name, arguments: { task_id, ...args } });
  const isAtIt = async () =>
    JSON.stringify((await call('get_task_history', { events_limit: -1 })).structuredContent).includes(shows);
  await until(isAtIt, `the task shows ${shows}`);
  const control = { control: 'cancel' };
  let answer: unknown;
  const took = await timed(async () => {
    answer = (await call('send_task_control', control)).structuredContent;
  });
  z.object({ status: z.literal('cancelled') }).parse(answer);
  return took;
}
