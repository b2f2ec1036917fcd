import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskEventBody } from '../../tasks/events.ts';
import type { ContainerState, DockerClient } from './docker-client.ts';
import type { RunOutput } from './run-output.ts';

/** A container stays `running` for a moment after its output has ended. */
const EXIT_TIMEOUT_MS = 1_000;
const POLL_MS = 25;

export interface FollowRunOptions {
  docker: DockerClient;
  /** The container of the run. */
  name: string;
  output: RunOutput;
  /** Ends the following; the container continues. */
  signal: AbortSignal;
  emit: (...events: TaskEventBody[]) => void;
  /** Called once, when the output names OpenCode's session. */
  onSession: (session: string) => void;
  /** Repeats the work while Docker does not answer. */
  retry: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Follows a container and emits its events until it ends; returns its last state, undefined where it is gone. Each
 * time the connection to Docker breaks, the output is read again from its beginning.
 */
export async function followRun(options: FollowRunOptions): Promise<ContainerState | undefined> {
  const { docker, name, output, signal, emit, onSession, retry } = options;
  let knownSession: string | undefined;

  const onOutput = (stop: AbortController, stream: 'stdout' | 'stderr', chunk: Buffer): void => {
    if (stop.signal.aborted) return;
    const events = output.read(stream, chunk);
    if (signal.aborted) return;
    const { session } = output.report;
    // The session comes first: once its events are in the log, it can be continued.
    if (session !== undefined && session !== knownSession) onSession(session);
    knownSession = session;
    emit(...events);
    if (mustStop(output)) stop.abort();
  };

  for (;;) {
    const state = await retry(async () => {
      output.restart();
      const stop = new AbortController();
      const either = AbortSignal.any([signal, stop.signal]);
      await docker.followLogs(name, (stream, chunk) => onOutput(stop, stream, chunk), either);
      if (stop.signal.aborted) await docker.stop(name, 0);
      return stateAfterOutput(docker, name);
    });
    if (state && state.status !== 'ended' && !signal.aborted) continue;
    if (!signal.aborted) emit(...output.end());
    return state;
  }
}

/** OpenCode continues with another agent than the task asked for, or writes more than it may. */
function mustStop({ report }: RunOutput): boolean {
  return report.unknownAgent !== undefined || report.outputLimitReached === true;
}

async function stateAfterOutput(docker: DockerClient, name: string): Promise<ContainerState | undefined> {
  const deadline = Date.now() + EXIT_TIMEOUT_MS;
  for (;;) {
    const state = await docker.state(name);
    if (!state || state.status === 'ended' || Date.now() > deadline) return state;
    await sleep(POLL_MS);
  }
}
