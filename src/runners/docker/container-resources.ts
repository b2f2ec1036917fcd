import type { RunnerResources } from '../runner.ts';
import { LABELS } from './container-spec.ts';
import type { DockerClient } from './docker-client.ts';

/** What the containers of this bridge's tasks use. Rejects if Docker does not answer. */
export async function containerResources(docker: DockerClient, bridgeId: string): Promise<RunnerResources> {
  const found = await docker.list({ [LABELS.bridge]: bridgeId });
  const having = (wanted: string) => found.filter(({ state }) => state === wanted);
  const running = having('running');
  const paused = having('paused');
  const memory = await Promise.all([...running, ...paused].map(({ name }) => docker.memory(name)));
  return {
    memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0),
    containers: { running: running.length, paused: paused.length },
  };
}
