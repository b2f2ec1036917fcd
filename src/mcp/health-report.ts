import type { DependencyHealth } from '../health.ts';
import type { ToolServices } from './tool.ts';

export interface HealthReport {
  status: 'ok' | 'degraded';
  version: string;
  mode: string;
  uptime_ms: number;
  tasks: { running: number; queued: number; by_status: Record<string, number> };
  dependencies: DependencyHealth[];
}

/** How the bridge and what it depends on are. */
export async function healthReport(services: ToolServices): Promise<HealthReport> {
  const dependencies = services.dependencies();
  const { running, queued, byStatus } = await services.execution.metrics();
  return {
    status: dependencies.every(({ status }) => status === 'ok') ? 'ok' : 'degraded',
    version: services.version,
    mode: services.mode,
    uptime_ms: Date.now() - services.startedAt,
    tasks: { running, queued, by_status: { ...byStatus } },
    dependencies,
  };
}
