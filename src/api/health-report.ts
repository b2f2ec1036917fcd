import type { DependencyHealth } from '../health.ts';
import type { ApiServices } from './services.ts';

export interface HealthReport {
  status: 'ok' | 'degraded';
  version: string;
  mode: string;
  /** PROJECT_ID, if it is set. */
  project_id?: string | undefined;
  uptime_ms: number;
  tasks: { running: number; queued: number; by_status: Record<string, number> };
  /** Tasks that wait for a free place; `oldest_ms`: how long the first one has waited, absent if there is none. */
  queue: { length: number; max: number; oldest_ms?: number | undefined };
  dependencies: DependencyHealth[];
}

/** What the report of a labelled bridge needs besides. */
export interface ProjectLabel {
  projectId?: string | undefined;
}

/** The state of the bridge and of its dependencies. */
export async function healthReport(services: ApiServices & ProjectLabel): Promise<HealthReport> {
  const dependencies = services.dependencies();
  const { running, queued, maxQueued, queuedSince, byStatus } = await services.execution.metrics();
  const now = Date.now();
  return {
    status: dependencies.every(({ status }) => status === 'ok') ? 'ok' : 'degraded',
    version: services.version,
    mode: services.mode,
    project_id: services.projectId,
    uptime_ms: now - services.startedAt,
    tasks: { running, queued, by_status: { ...byStatus } },
    queue: {
      length: queued,
      max: maxQueued,
      oldest_ms: queuedSince === undefined ? undefined : Math.max(0, now - queuedSince),
    },
    dependencies,
  };
}
