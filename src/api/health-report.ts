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
  dependencies: DependencyHealth[];
}

/** What the report of a labelled bridge needs besides. */
export interface ProjectLabel {
  projectId?: string | undefined;
}

/** The state of the bridge and of its dependencies. */
export async function healthReport(services: ApiServices & ProjectLabel): Promise<HealthReport> {
  const dependencies = services.dependencies();
  const { running, queued, byStatus } = await services.execution.metrics();
  return {
    status: dependencies.every(({ status }) => status === 'ok') ? 'ok' : 'degraded',
    version: services.version,
    mode: services.mode,
    project_id: services.projectId,
    uptime_ms: Date.now() - services.startedAt,
    tasks: { running, queued, by_status: { ...byStatus } },
    dependencies,
  };
}
