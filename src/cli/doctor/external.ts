import { randomUUID } from 'node:crypto';
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import type { Endpoint } from '../../runners/opencode-server/endpoint.ts';
import { type Check, type Finding, failed } from './check.ts';
import { bridgeInOpenCode } from './own-server.ts';
import { judgeVersion } from './tested-version.ts';

const HEALTH_LIMIT_MS = 10_000;
const PROBE = 'probe.txt';

/** The server at OPENCODE_SERVER_URL, and whether it sees the folders of tasks. */
export function externalServer(url: string): Check {
  return async (config) => {
    const { username, password } = config.openCode;
    const check = 'OpenCode server';
    const endpoint: Endpoint = { url, username, password };
    const api = new OpenCodeApi(endpoint);
    try {
      const { version } = await api.health(HEALTH_LIMIT_MS);
      const detail = `${url} answers, version ${version}`;
      const server = judgeVersion(check, version, 'in the tested range', detail);
      return [server, ...(await sharedFolder(api, config))];
    } catch (thrown) {
      const next = 'Start the server, correct OPENCODE_SERVER_URL, or unset it to have one started.';
      return [failed(check, thrown, next)];
    }
  };
}

/** Writes a file into a folder of its own and reads it through the server. */
async function sharedFolder(api: OpenCodeApi, { workspace, http }: Config): Promise<Finding[]> {
  const check = 'shared folder';
  const next = 'Give the bridge and the OpenCode server the same folder under the same path (WORKSPACE_DIR).';
  try {
    const folder = join(await realpath(workspace.dir), `.doctor-${randomUUID()}`);
    await mkdir(folder);
    try {
      const content = randomUUID();
      await writeFile(join(folder, PROBE), content);
      const read = await api.readFile(folder, PROBE).catch(() => undefined);
      const seen = read?.toString() === content;
      if (!seen) return [{ check, status: 'fail', detail: `the server does not see ${workspace.dir}`, next }];
      const detail = `the server sees ${workspace.dir}`;
      return [{ check, status: 'ok', detail }, ...(await bridgeInOpenCode(api, folder, http.port))];
    } finally {
      await api.dispose(folder).catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    }
  } catch (thrown) {
    return [failed(check, thrown, next)];
  }
}
