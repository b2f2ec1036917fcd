import { z } from 'zod';
import { createTask } from '../../src/api/create-task.ts';
import type { ModernTools } from '../../src/mcp/modern/server.ts';
import { defineTool, type Tool } from '../../src/mcp/tool.ts';
import type { Bridge } from '../mcp/bridge.ts';
import type { ScriptedRun } from '../mcp/scripted-runner.ts';

/** What the agent of a task does; `answered` resolves when that many of its requests are closed. */
type Script<I> = (
  run: ScriptedRun,
  input: I,
  answered: (count: number) => Promise<void>,
) => void | Promise<void>;

const QUESTIONS = [{ header: 'Confirm', question: 'Shall it be done?', options: [] }];

/** The tools that the conformance scenarios of Tasks call, over tasks of the real store. */
export function conformanceTools(bridge: Bridge): ModernTools {
  const greet = defineTool({
    name: 'greet',
    title: 'Greet',
    description: 'Greets at once.',
    input: z.strictObject({ name: z.string() }),
    output: z.object({ greeting: z.string() }),
    annotations: {},
    claude: {},
    run: ({ name }) => ({ structured: { greeting: `Hello, ${name}!` }, text: `Hello, ${name}!` }),
  });
  const withTask: Tool[] = [
    task(
      'slow_compute',
      z.strictObject({ seconds: z.number(), label: z.string().optional() }),
      (run, input) => {
        const timer = setTimeout(() => run.complete(`computed ${input.label}`), input.seconds * 1_000);
        timer.unref();
      },
    ),
    task('failing_job', z.strictObject({}), (run) => run.fail('ENGINE_ERROR', 'It fails.')),
    task('protocol_error_job', z.strictObject({}), (run) => run.fail('INTERNAL', 'The bridge broke.')),
    task('confirm_delete', z.strictObject({ filename: z.string() }), async (run, _, answered) => {
      run.ask({ id: 'que_1', type: 'question', questions: QUESTIONS });
      await answered(1);
      run.complete('deleted');
    }),
    task('multi_input', z.strictObject({}), async (run, _, answered) => {
      run.ask({ id: 'que_1', type: 'question', questions: QUESTIONS });
      run.ask({ id: 'que_2', type: 'question', questions: QUESTIONS });
      await answered(2);
      run.complete('both are there');
    }),
  ];
  return { all: [greet, ...withTask], withTask: withTask.map(({ name }) => name) };

  function task<I extends z.ZodObject>(name: string, input: I, script: Script<z.output<I>>): Tool {
    return defineTool({
      name,
      title: name,
      description: 'Works in a task.',
      input,
      output: z.object({ task_id: z.string() }),
      annotations: {},
      claude: {},
      async run(given, { services, agentId }) {
        const order = { task_description: `${name} ${JSON.stringify(given)}` };
        const { id } = (await createTask(services, agentId(), order)).task;
        const run = await bridge.runner.turnOf(id);
        const answered = async (count: number): Promise<void> => {
          await bridge.until(id, () => run.answers.length === count);
        };
        // A cancelled task has nothing left to do.
        Promise.resolve(script(run, given, answered)).catch(() => undefined);
        return { structured: { task_id: id }, text: id };
      },
    });
  }
}
