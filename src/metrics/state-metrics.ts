import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { DependencyHealth } from '../health.ts';
import { TASK_STATUSES, type TaskStatus } from '../tasks/task.ts';

/** What the processes of OpenCode use, where they are the bridge's. */
interface OpenCodeResources {
  memoryBytes: number;
  restarts?: number | undefined;
  containers?: Readonly<Record<string, number>> | undefined;
}

/** What is read when the metrics are collected. */
export interface BridgeState {
  version: string;
  mode: string;
  tasks(): Promise<{ running: number; queued: number; byStatus: Partial<Record<TaskStatus, number>> }>;
  dependencies(): DependencyHealth[];
  /** Events that are not delivered yet, by sink. */
  lag(): { sink: string; events: number; seconds: number; failing: number; givenUp: number }[];
  /** What clients have open over HTTP. */
  open(): { sessions: number; streams: number };
  /** What OpenCode uses; rejects if that cannot be read. */
  resources(): Promise<OpenCodeResources | undefined>;
  /** Bytes of the workspaces on disk, as read within the last ten minutes; undefined where that is not known. */
  workspaceBytes(): number | undefined;
  /** Bytes of the database on disk. */
  databaseBytes(): Promise<number>;
}

/** A Docker that hangs must not keep the other metrics from being collected. */
const RESOURCES_LIMIT_MS = 2_000;

const STATES = ['ok', 'degraded', 'down'] as const;

/** Registers what the bridge is like at the time of collection. */
export function registerStateMetrics(registry: Registry, state: BridgeState): void {
  const registers = [registry];
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect: (gauge: Gauge<L>) => void | Promise<void>,
  ) =>
    new Gauge({
      name: `opencode_bridge_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        return collect(this);
      },
    });
  gauge('build_info', 'Always 1; the labels say which bridge this is.', ['version', 'mode'], (it) => {
    it.set({ version: state.version, mode: state.mode }, 1);
  });
  gauge('tasks', 'Stored tasks by status.', ['status'], async (it) => {
    const { byStatus } = await state.tasks();
    for (const status of TASK_STATUSES) it.set({ status }, byStatus[status] ?? 0);
  });
  gauge('tasks_running', 'Tasks that have a slot.', [], async (it) => it.set((await state.tasks()).running));
  gauge('queue_length', 'Tasks that wait for a slot.', [], async (it) =>
    it.set((await state.tasks()).queued),
  );
  gauge('dependency_status', '1 for the state in which a dependency is.', ['name', 'status'], (it) => {
    it.reset();
    for (const { name, status } of state.dependencies()) {
      for (const each of STATES) it.set({ name, status: each }, each === status ? 1 : 0);
    }
  });
  const lag = <K extends 'events' | 'seconds' | 'failing' | 'givenUp'>(name: string, help: string, key: K) =>
    gauge(name, help, ['sink'], (it) => {
      for (const each of state.lag()) it.set({ sink: each.sink }, each[key]);
    });
  lag('delivery_lag_events', 'Events that are not delivered to a sink yet.', 'events');
  lag('delivery_lag_seconds', 'Age of the oldest event that is not delivered to a sink yet.', 'seconds');
  lag('delivery_failing', 'Tasks whose last delivery to a sink failed.', 'failing');
  lag('delivery_given_up', 'Deliveries to a sink that were given up.', 'givenUp');
  const resources = atOnce(() => withinLimit(state.resources()));
  gauge(
    'opencode_memory_bytes',
    'Memory of the OpenCode server, or of all task containers.',
    [],
    async (it) => {
      it.reset();
      const { memoryBytes } = (await resources()) ?? {};
      if (memoryBytes !== undefined) it.set(memoryBytes);
    },
  );
  // Counted by the runner: here it is only reported.
  new Counter({
    name: 'opencode_bridge_opencode_restarts_total',
    help: 'How often the embedded OpenCode server was started anew.',
    registers,
    async collect() {
      const restarts = (await resources())?.restarts;
      if (restarts === undefined) return;
      this.reset();
      this.inc(restarts);
    },
  });
  gauge('containers', 'Containers of tasks by state, in Docker mode.', ['state'], async (it) => {
    it.reset();
    for (const [name, count] of Object.entries((await resources())?.containers ?? {}))
      it.set({ state: name }, count);
  });
  gauge('mcp_sessions', 'MCP sessions over HTTP that are open.', [], (it) => it.set(state.open().sessions));
  gauge('streams', 'Event streams and WebSockets that are open.', [], (it) => it.set(state.open().streams));
  gauge('workspaces_bytes', 'Size of WORKSPACE_DIR on disk, read every ten minutes.', [], (it) => {
    it.reset();
    const bytes = state.workspaceBytes();
    if (bytes !== undefined) it.set(bytes);
  });
  gauge('database_bytes', 'Size of the database on disk.', [], async (it) =>
    it.set(await state.databaseBytes()),
  );
}

/** Undefined instead of a failure or a long wait. */
function withinLimit<T>(reading: Promise<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const late = sleep(RESOURCES_LIMIT_MS, undefined, { signal: stop.signal, ref: false });
  return Promise.race([reading, late])
    .catch(() => undefined)
    .finally(() => stop.abort());
}

/** Calls that come while one is under way share its answer. */
function atOnce<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}
