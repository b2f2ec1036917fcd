import { z } from 'zod';
import { healthReport } from '../../api/health-report.ts';
import { agentId } from '../../api/inputs.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

/** How the bridge and what it depends on are. */
export const health = defineTool({
  name: 'health',
  title: 'Health',
  description: 'The bridge and its dependencies, if tasks do not start.',
  input: z.strictObject({ agent_id: agentId }),
  output: z.object({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    mode: z.string(),
    uptime_ms: z.number(),
    metrics: z.object({
      running: z.number(),
      queued: z.number(),
      by_status: z.record(z.string(), z.number()),
    }),
    dependencies: z.array(z.object({ name: z.string(), status: z.string(), detail: z.string() })),
    node: z.string(),
  }),
  annotations: READ_ONLY,
  claude: { searchHint: 'opencode down' },
  async run(_input, { services }) {
    const { tasks: metrics, queue: _, ...report } = await healthReport(services);
    const dependencies = report.dependencies.map(({ name, status, detail }) => ({ name, status, detail }));
    const lines = dependencies.map(({ name, status, detail }) => `${name}: ${status} (${detail})`);
    const { running, queued, by_status } = metrics;
    const counts = Object.entries(by_status).map(([status, n]) => `${n} ${status}`);
    const up = `Up for ${report.uptime_ms} ms on Node ${process.versions.node}; tasks: ${counts.join(', ') || 'none'}.`;
    const head = `${report.status}, version ${report.version}, ${report.mode}: ${running} running, ${queued} queued.`;
    return {
      structured: { ...report, dependencies, metrics, node: process.versions.node },
      text: [head, up, ...lines].join('\n'),
    };
  },
});
