import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { startEmbeddedEngine } from './bridge.ts';
import { type RunningOpenCode, startOpenCode } from './opencode.ts';
import { isRunning } from './processes.ts';
import { tempDir } from './temp.ts';

/** A server that other test files use too, so none may stop it. */
export type SharedOpenCode = Pick<RunningOpenCode, 'url' | 'username' | 'password' | 'pid' | 'home'>;

export interface SharedServer {
  engine: SharedOpenCode;
  model: ScriptedModel;
}

let external: Promise<SharedServer> | undefined;
let embedded: ReturnType<typeof startEmbedded> | undefined;

/**
 * The OpenCode server of this worker with the default configuration, for one test file after the other. What earlier
 * files left in it is freed, and aborted where it still runs.
 */
export async function sharedOpenCode(): Promise<SharedServer> {
  if (external) {
    const { engine } = await external;
    if (isRunning(engine.pid)) {
      const options = { baseUrl: engine.url, headers: authorization(engine), throwOnError: true } as const;
      await createOpencodeClient(options).global.dispose();
      return external;
    }
  }
  external = startExternal();
  return external;
}

async function startExternal(): Promise<SharedServer> {
  const model = await startScriptedModel();
  const engine = await startOpenCode({ modelUrl: model.url });
  endWithWorker(engine.home, engine.home);
  return { engine, model };
}

/** The embedded engine of this worker with the default configuration: `startBridge({ on: await sharedEngine() })`. */
export function sharedEngine() {
  embedded ??= startEmbedded();
  return embedded;
}

async function startEmbedded() {
  const root = await tempDir('shared-engine-');
  const home = join(root.path, 'home');
  endWithWorker(home, root.path);
  return { ...(await startEmbeddedEngine(root.path)), isShared: true };
}

/** At the end of its stdin, which is the end of the worker, in whatever way that ended. */
const WATCHER = `cat > /dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  grep -lszxF "HOME=$1" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -KILL "$pid"; done
  rm -rf -- "$2" && break
  sleep 0.2
done`;

/** Vitest tells nobody when a worker ends: a watcher then kills every process with this HOME and removes the folder (Linux). */
function endWithWorker(home: string, root: string): void {
  const watcher = spawn('/bin/sh', ['-c', WATCHER, 'watcher', home, root], {
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.unref();
}
