import { once } from 'node:events';
import { join } from 'node:path';
import type { Rule } from '../../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../../src/runners/opencode-server/free-port.ts';
import { bridgeEnv, type Program, startProgram } from '../../e2e/program.ts';
import { RestClient } from '../../http/rest.ts';
import { hermeticHome } from '../../support/opencode.ts';
import { tempDir } from '../../support/temp.ts';

/** The bridge as users start it, with its embedded OpenCode and the scripted model. */
export interface Served {
  /** `http://127.0.0.1:port`, the same after a restart. */
  url: string;
  api: RestClient;
  model: ScriptedModel;
  /** A temporary folder; everything of the bridge is below it. Folders in it may be named by tasks. */
  root: string;
  readonly program: Program;
  /** Ends the bridge: SIGTERM ends its OpenCode too, SIGKILL lets it be. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again, where it has ended, with more variables. */
  start(env?: Record<string, string>): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts it. `token`: what callers and people need then; `rules`: of the model; `config`: of OpenCode, by top-level key. */
export async function serve(
  options: { token?: string; env?: Record<string, string>; rules?: Rule[]; config?: object } = {},
): Promise<Served> {
  const { token, env = {}, rules = [], config = {} } = options;
  const folder = await tempDir('web-');
  const model = await startScriptedModel({ rules });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    ...bridgeEnv(folder.path, model.url),
    ...hermeticHome(folder.path, model.url, config),
    MCP_PORT: `${port}`,
    ALLOWED_DIRECTORIES: join(folder.path),
    ...(token !== undefined && { MCP_AUTH_TOKENS: token }),
    ...env,
  };
  const launch = async (more: Record<string, string>): Promise<Program> => {
    const started = startProgram('serve', { ...environment, ...more });
    await started.says(/"url":"(http:[^"]+\/mcp)"/);
    return started;
  };
  let program = await launch({});
  const end = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    const { child } = program;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url,
    api: new RestClient(url, token === undefined ? {} : { authorization: `Bearer ${token}` }),
    model,
    root: folder.path,
    get program() {
      return program;
    },
    end,
    async start(more = {}) {
      program = await launch(more);
    },
    async [Symbol.asyncDispose]() {
      await end();
      await model.close();
      await folder.remove();
    },
  };
}
