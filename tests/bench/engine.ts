import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { containerEnv, engine, IMAGE } from '../support/docker.ts';
import { BUILT_IN_MODELS } from '../support/opencode.ts';
import { until } from './sample.ts';

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, '../support/docker-engine');

/** Has the tests' engine run, and ends it afterwards if it did not run before; `absent` says why there is none. */
export async function engineForBench() {
  const wasUp = engine.absent === undefined;
  const absent = await run(SCRIPT, ['up']).then(() => undefined, whyNot);
  const leave = async (): Promise<void> => {
    if (!wasUp && absent === undefined) await run(SCRIPT, ['down']);
  };
  return { absent, [Symbol.asyncDispose]: leave };
}

function whyNot(thrown: unknown): string {
  const { stderr } = z
    .object({ stderr: z.string() })
    .catch({ stderr: String(thrown) })
    .parse(thrown);
  return `no Docker Engine here: ${stderr
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/^docker-engine: /, '')}`;
}

/** The environment of both sides' containers: OpenCode has its built-in models, as for users. */
export function benchEnv(modelUrl: string): Record<string, string> {
  return { ...containerEnv(modelUrl), ...BUILT_IN_MODELS };
}

/** The variables of a bridge in Docker mode on it, whose containers reach the scripted model. */
export function dockerMode(modelUrl: string): Record<string, string> {
  const env = benchEnv(modelUrl);
  return {
    ...env,
    OPENCODE_SERVER_ENABLED: 'false',
    DOCKER_HOST: engine.host,
    RUNNER_IMAGE: IMAGE,
    RUNNER_NETWORK: 'host',
    RUNNER_ENV_PASSTHROUGH: Object.keys(env).join(),
  };
}

/** Resolves when the bridge of this DATA_DIR has no container any more; it removes them after the end of their task. */
export async function cleared(dataDir: string): Promise<void> {
  const bridge = (await readFile(join(dataDir, 'bridge-id'), 'utf8')).trim();
  const filters = { label: [`letta-opencode-plugin.bridge=${bridge}`] };
  const none = async () => (await engine.api.listContainers({ all: true, filters })).length === 0;
  await until(none, 'no container of the bridge is left');
}
