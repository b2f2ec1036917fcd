import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { bridgeEnv, type Program, startProgram } from '../e2e/program.ts';
import { RestClient } from '../http/rest.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';

const RULES = join(import.meta.dirname, '../../docs/deploy/prometheus/rules.yml');
const absent =
  spawnSync('promtool', ['--version']).error === undefined
    ? undefined
    : 'promtool and prometheus are not installed (Debian: prometheus)';

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;
let bridge: Program;
let url: string;

beforeAll(async () => {
  if (absent !== undefined) return;
  folder = await tempDir('metrics-');
  model = await startScriptedModel();
  bridge = startProgram('serve', {
    ...bridgeEnv(folder.path, model.url),
    METRICS_ENABLED: 'true',
    METRICS_TOKEN: 'of-prometheus',
  });
  url = (await bridge.says(/"url":"(http:[^"]+)\/mcp"/))[1] ?? '';
});
afterAll(async () => {
  bridge?.child.kill('SIGTERM');
  await bridge?.exit;
  await model?.close();
  await folder?.remove();
});
beforeEach((context) => context.skip(absent !== undefined, absent));

const answerSchema = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
    ),
  }),
});

/** The answer of Prometheus once it has one; it collects every half a second. */
async function query(
  prometheus: string,
  promql: string,
): Promise<z.infer<typeof answerSchema>['data']['result']> {
  for (;;) {
    const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(promql)}`).catch(
      () => undefined,
    );
    const { result } = response?.ok ? answerSchema.parse(await response.json()).data : { result: [] };
    if (result.length > 0) return result;
    await sleep(100);
  }
}

async function startPrometheus(target: string) {
  const config = {
    global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
    rule_files: [join(folder.path, 'rules.yml')],
    scrape_configs: [
      {
        job_name: 'opencode-bridge',
        authorization: { credentials: 'of-prometheus' },
        static_configs: [{ targets: [target] }],
      },
    ],
  };
  // JSON is YAML. The rules as they are, with alerts that do not wait for minutes.
  await writeFile(
    join(folder.path, 'rules.yml'),
    (await readFile(RULES, 'utf8')).replaceAll(/for: \d+m/g, 'for: 0s'),
  );
  await writeFile(join(folder.path, 'prometheus.yml'), JSON.stringify(config));
  await mkdir(join(folder.path, 'prometheus'));
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder.path, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder.path, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore', env: { PATH: process.env.PATH } },
  );
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

test('the rules are right, as promtool tests them', () => {
  const { status, stdout, stderr } = spawnSync(
    'promtool',
    ['test', 'rules', join(import.meta.dirname, 'rules.yml')],
    {
      encoding: 'utf8',
    },
  );
  expect(`${stdout}${stderr}`).toContain('SUCCESS');
  expect(status).toBe(0);
});

test('promtool has nothing to say of the names', async () => {
  const text = await (
    await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer of-prometheus' } })
  ).text();
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  const own = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('opencode_bridge'));
  expect(own).toEqual([]);
});

test('a real Prometheus collects what a real task did, and the alert fires when the bridge is gone', async () => {
  const api = new RestClient(url);
  const script = [write('a.txt', 'x'), bash('exit 3')];
  const id = await api.start({ task_description: `Do it: ${scriptText(script)}` });
  await api.stream(`/tasks/${id}/events`);
  await using prometheus = await startPrometheus(new URL(url).host);
  const value = async (promql: string) => Number((await query(prometheus.url, promql))[0]?.value[1]);
  expect(await value('opencode_bridge_tasks_ended_total{outcome="completed"}')).toBe(1);
  expect(await value('opencode_bridge_tool_calls_total{tool="bash",outcome="failed"}')).toBe(1);
  expect(await value('opencode_bridge_tool_calls_total{tool="write",outcome="ok"}')).toBe(1);
  expect(await value('opencode_bridge_tasks{status="completed"}')).toBe(1);
  expect(await value('sum(opencode_bridge_tokens_total)')).toBeGreaterThan(0);
  expect(await value('opencode_bridge_task_run_seconds_count')).toBe(1);
  expect(await value('opencode_bridge_dependency_status{name="opencode-server",status="ok"}')).toBe(1);
  expect(await value('opencode_bridge_http_requests_total{route="/tasks/execute",status="202"}')).toBe(1);
  expect(await value('opencode_bridge_opencode_memory_bytes')).toBeGreaterThan(50e6);
  expect(await value('opencode_bridge_opencode_restarts_total')).toBe(0);
  bridge.child.kill('SIGTERM');
  await bridge.exit;
  const [alert] = await query(prometheus.url, 'ALERTS{alertname="OpenCodeBridgeDown",alertstate="firing"}');
  expect(alert?.metric).toMatchObject({ severity: 'critical', job: 'opencode-bridge' });
});
