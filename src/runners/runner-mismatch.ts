import { BridgeError, messageOf } from '../errors.ts';
import type { Task } from '../tasks/task.ts';
import type { Run, RunContext, Runner } from './runner.ts';

/** How long the other mode's runner may take to stop what it left running. */
const STOP_LIMIT_MS = 30_000;

/** Creates the runner of the mode that the bridge is not in; undefined if nothing of that mode can still run. */
export type OtherRunner = () => Promise<Runner | undefined>;

/**
 * Wraps the runner for a store that may contain tasks of the other mode. A session of one mode does not exist in the
 * other, so such tasks are refused, and what a bridge in that mode left running for them is stopped.
 */
export function withMismatch(runner: Runner, other: OtherRunner): Runner {
  const open = async (task: Task, context: RunContext): Promise<Run> => {
    if (task.sessionId === undefined || task.runner === runner.name) return runner.open(task, context);
    await stopOther(task, context, other);
    throw new BridgeError(
      'INVALID_STATE',
      `Task ${task.id} belongs to runner ${task.runner}; this bridge runs ${runner.name}.`,
      {
        next: 'Start a new task in the same directory, or restore the earlier value of OPENCODE_SERVER_ENABLED.',
      },
    );
  };
  return {
    name: runner.name,
    open,
    defaults: runner.defaults,
    choices: async (directory) => runner.choices?.(directory),
    ...(runner.requireModelConfig && { requireModelConfig: runner.requireModelConfig.bind(runner) }),
    endProcesses: async (directory) => runner.endProcesses?.(directory),
    mayHaveOpened: async (connection) => (await runner.mayHaveOpened?.(connection)) ?? false,
    health: () => runner.health(),
    resources: async () => runner.resources?.(),
    close: () => runner.close(),
  };
}

async function stopOther(task: Task, { emit, past }: RunContext, other: OtherRunner): Promise<void> {
  const runner = await other();
  const signal = AbortSignal.timeout(STOP_LIMIT_MS);
  try {
    const run = await runner?.open(task, { emit, past, signal });
    await run?.stop();
    run?.close();
  } catch (thrown) {
    const message = `The work of the task may still be running (${messageOf(thrown)}). ${stopCommand(task)}`;
    emit({ kind: 'warning', code: 'STOP_UNCONFIRMED', message });
  } finally {
    // A failure here must not hide why the task is refused.
    await runner?.close().catch(() => undefined);
  }
}

function stopCommand({ id, runner, sessionId }: Task): string {
  return runner === 'docker'
    ? `To end it: docker ps -q --filter label=letta-opencode-plugin.task=${id} | xargs docker rm -f`
    : `To end it: POST /session/${sessionId}/abort at its OpenCode server, or restart that server.`;
}
