import { Registry } from 'prom-client';
import { AgentMetrics } from '../src/metrics/agent-metrics.ts';
import { registerStateMetrics } from '../src/metrics/state-metrics.ts';
import { TaskMetrics } from '../src/metrics/task-metrics.ts';
import { TrafficMetrics } from '../src/metrics/traffic-metrics.ts';
import { code, NOTE, table } from './markdown.ts';

const INTRODUCTION = [
  'With `METRICS_ENABLED=true` the bridge has metrics in the format of [Prometheus](https://prometheus.io) at `GET /metrics`. Without it nothing is counted, and nothing is loaded.',
  'Only this machine can read them, by a loopback name and not through a proxy; for others set `METRICS_TOKEN`, which the collector sends as a bearer token:',
];

const SCRAPE = `scrape_configs:
  - job_name: opencode-bridge
    authorization: { credentials: <METRICS_TOKEN> }
    static_configs: [{ targets: ["127.0.0.1:3500"] }]`;

const NOTES = [
  'Counters count what happens in this process, from its start on; a restart begins at 0, as Prometheus expects. Gauges are read when the metrics are collected.',
  'No label is the id of a task or a person. `METRICS_BY_AGENT=true` adds the metrics `opencode_bridge_agent_*`, whose label is the id of an agent: the first 200, then `other`. Names that callers and models choose (models, tools, codes) are bounded: the first 50 to 100, then `other`.',
  'Besides there are the [default metrics of prom-client](https://github.com/siimon/prom-client#default-metrics) for the process and Node: memory, processor time, file descriptors, event loop lag, garbage collection.',
  '`docs/deploy/prometheus/` has alert and recording rules, and a dashboard for Grafana. [Kubernetes](kubernetes.md) has the rules for the Prometheus operator.',
];

interface Shape {
  name: string;
  help: string;
  type: string;
  labelNames: readonly string[];
}

/** Every metric of the bridge's own, as it is registered. */
export function metricShapes(): Shape[] {
  const registry = new Registry();
  registerStateMetrics(registry, {
    version: '',
    mode: '',
    tasks: async () => ({ running: 0, queued: 0, byStatus: {} }),
    dependencies: () => [],
    lag: () => [],
    open: () => ({ sessions: 0, streams: 0 }),
    resources: async () => undefined,
    workspaceBytes: () => undefined,
    databaseBytes: async () => 0,
  });
  new TaskMetrics(registry);
  new AgentMetrics(registry);
  new TrafficMetrics(registry);
  return registry.getMetricsAsArray().map((metric) => ({
    name: metric.name,
    help: metric.help,
    type: String(metric.type),
    labelNames:
      'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [],
  }));
}

export function metricsPage(): string {
  const rows = metricShapes()
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => [code(name), type, labelNames.map(code).join(', '), help]);
  return [
    NOTE,
    '# Metrics',
    ...INTRODUCTION,
    `\`\`\`yaml\n${SCRAPE}\n\`\`\``,
    ...NOTES,
    '## List',
    table(['metric', 'type', 'labels', 'meaning'], rows),
  ]
    .join('\n\n')
    .concat('\n');
}
