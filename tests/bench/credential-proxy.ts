import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { startProxyWorld } from '../credential-proxy/proxy-world.ts';
import { BUILT_IN_MODELS, hermeticEnv } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { busyTask } from './busy-tasks.ts';
import { ASKS } from './cancel.ts';
import { ms, type Row } from './report.ts';
import { sideBySide } from './sample.ts';
import { runTask } from './tasks.ts';

const CALLS = 300;
const TASKS = 20;
const ROUNDS = 6;
const GOAL_MS = 2;
const GOAL_RATIO = 1.02;
/** A prompt as agents send it. */
const BODY = JSON.stringify({ stream: true, messages: 'a word '.repeat(20_000) });

/** What the credential proxy costs: the first byte of an answer, and busy tasks. */
export async function* credentialProxyRows(): AsyncGenerator<Row> {
  yield await firstByte();
  yield await busyTasks();
}

async function firstByte(): Promise<Row> {
  const world = await startProxyWorld({
    current: (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end('data: {"choices":[{"delta":{"content":"x"}}]}\n\n');
    },
  });
  try {
    world.run('task_1');
    const headers = { authorization: `Bearer ${world.tokenOf('task_1')}` };
    const direct = () => call(`${world.direct}/chat/completions`, headers);
    const proxied = () => call(`${world.url}/openai/chat/completions`, headers);
    await sideBySide(CALLS / 10, direct, proxied);
    const { first, second } = await sideBySide(CALLS, direct, proxied);
    return {
      what: `first byte of a model's answer through the credential proxy, median of ${CALLS}, with a prompt of ${Math.round(BODY.length / 1_000)} kB`,
      measured: `${second.toFixed(2)} ms`,
      comparison: `straight: ${first.toFixed(2)} ms`,
      goal: `at most ${GOAL_MS} ms more`,
      ok: second - first <= GOAL_MS,
    };
  } finally {
    await world.close();
  }
}

/** The answer is one chunk, so that its first byte and its end are one. */
async function call(url: string, headers: Record<string, string>): Promise<void> {
  const req = request(url, { method: 'POST', headers });
  req.end(BODY);
  const [res]: IncomingMessage[] = await once(req, 'response');
  if (res?.statusCode !== 200) throw new Error(`${url} answers ${res?.statusCode}`);
  await text(res);
}

/** Two bridges, each with its own OpenCode: one has the key, the other calls by the proxy. */
async function busyTasks(): Promise<Row> {
  await using root = await tempDir('bench-credential-proxy-');
  const directory = join(root.path, 'work');
  await makeTaskDirectory(directory);
  const model = await startScriptedModel();
  const keysFile = join(root.path, 'keys.json');
  await writeFile(
    keysFile,
    JSON.stringify({ mock: { api_key: 'key', base_url: model.url, models: ['m1'] } }),
  );
  const start = async (name: string, variables: Record<string, string>): Promise<BenchBridge> => {
    const env = {
      ...hermeticEnv(join(root.path, name), model.url, ASKS),
      ...BUILT_IN_MODELS,
      DATA_DIR: join(root.path, name, 'bridge'),
      ALLOWED_DIRECTORIES: directory,
      OPENCODE_SERVER_ENABLED: 'true',
      MAX_CONCURRENT_TASKS: String(TASKS),
      PERMISSION_POLICY: 'allow',
      MCP_RATE_LIMIT: '0',
      LOG_LEVEL: 'warn',
    };
    await makeTaskDirectory(join(root.path, name));
    return startBenchBridge({ ...env, ...variables }, await freePort());
  };
  const off = await start('off', {});
  const port = String(await freePort());
  const on = await start('on', {
    PROVIDER_PROXY: 'true',
    PROVIDER_PROXY_PORT: port,
    PROVIDER_KEYS_FILE: keysFile,
  });
  const all = async (bridge: BenchBridge): Promise<void> => {
    const numbers = Array.from({ length: TASKS }, (_, n) => n);
    await Promise.all(numbers.map((n) => runTask(bridge, busyTask(n), directory, `agent-${n}`)));
    await rm(join(directory, 'out'), { recursive: true });
  };
  try {
    for (const bridge of [off, on]) await all(bridge);
    const { first, second } = await sideBySide(
      ROUNDS,
      () => all(off),
      () => all(on),
    );
    return {
      what: `${TASKS} busy tasks at once, with the credential proxy, ${ROUNDS} rounds`,
      measured: ms(second),
      comparison: `without: ${ms(first)} (ratio ${(second / first).toFixed(2)})`,
      goal: `ratio at most ${GOAL_RATIO}`,
      ok: second / first <= GOAL_RATIO,
    };
  } finally {
    await on.stop();
    await off.stop();
    await model.close();
  }
}
