import { BridgeError, messageOf } from '../errors.ts';
import type { Task } from '../tasks/task.ts';
import type { Run, RunContext, Runner } from './runner.ts';

/** How long the other mode may take to end what it left running. */
const STOP_LIMIT_MS = 30_000;

/** Gives the runner of the mode that the bridge is not in; undefined where nothing of it can run any more. */
export type OtherRunner = () => Promise<Runner | undefined>;

/**
 * The runner, for a store that may hold tasks of the other mode: a session of one mode means nothing to the other, so
 * they are refused, and what a bridge in that mode left running for them is stopped.
 */
export function withMismatch(runner: Runner, other: OtherRunner): Runner {
  const open = async (task: Task, context: RunContext): Promise<Run> => {
    if (task.sessionId === undefined || task.runner === runner.name) return runner.open(task, context);
    await stopLeft(task, context, other);
    throw new BridgeError(
      'INVALID_STATE',
      `Task ${task.id} is one of runner ${task.runner}; this bridge runs ${runner.name}.`,
      { next: 'Start a new task in the same directory, or set OPENCODE_SERVER_ENABLED as it was.' },
    );
  };
  return {
    name: runner.name,
    open,
    endProcesses: async (directory) => runner.endProcesses?.(directory),
    mayHaveOpened: async (connection) => (await runner.mayHaveOpened?.(connection)) ?? false,
    health: () => runner.health(),
    close: () => runner.close(),
  };
}

async function stopLeft(task: Task, { emit, past }: RunContext, other: OtherRunner): Promise<void> {
  const runner = await other();
  const signal = AbortSignal.timeout(STOP_LIMIT_MS);
  try {
    const run = await runner?.open(task, { emit, past, signal });
    await run?.stop();
    run?.close();
  } catch (thrown) {
    const message = `What the task was doing may go on (${messageOf(thrown)}) ${byHand(task)}`;
    emit({ kind: 'warning', code: 'STOP_UNCONFIRMED', message });
  } finally {
    // Whatever it says, the task has to hear why it is refused.
    await runner?.close().catch(() => undefined);
  }
}

function byHand({ id, runner, sessionId }: Task): string {
  return runner === 'docker'
    ? `To end it: docker ps -q --filter label=letta-opencode-plugin.task=${id} | xargs docker rm -f`
    : `To end it: POST /session/${sessionId}/abort at its OpenCode server, or restart that.`;
}
