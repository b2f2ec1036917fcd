import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { thenRelease } from '../../app/release.ts';
import type { Config } from '../../config/config.ts';
import { BridgeError } from '../../errors.ts';
import { createLogger } from '../../logger.ts';
import { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import { findOpenCode } from '../../runners/opencode-server/binary.ts';
import { EmbeddedServer } from '../../runners/opencode-server/embedded-server.ts';
import { type Check, type Finding, failed } from './check.ts';
import { bridgeInOpenCode } from './own-server.ts';
import { versionOf } from './program.ts';
import { judgeVersion } from './tested-version.ts';

const LISTEN_LIMIT_MS = 60_000;
const HEALTH_LIMIT_MS = 10_000;
const POLL_MS = 100;

/** The opencode executable; where it works, starts a server with it and stops it again. */
export const embeddedServer: Check = async (config) => {
  const check = 'opencode';
  try {
    const binary = findOpenCode(config.openCode.bin, config.childEnv.PATH);
    const version = await versionOf(binary, config.childEnv);
    const detail = `${version} (${binary})`;
    return [judgeVersion(check, version, 'the tested one', detail), ...(await tryServer(config, binary))];
  } catch (thrown) {
    return [failed(check, thrown, 'Set OPENCODE_BIN to an opencode executable that runs, or unset it.')];
  }
};

async function tryServer(config: Config, binary: string): Promise<Finding[]> {
  const { openCode, childEnv, dataDir } = config;
  const check = 'embedded server';
  const began = Date.now();
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const logger = createLogger('silent');
    const { snapshot } = openCode;
    const server = await EmbeddedServer.start({ binary, env: childEnv, cwd: dataDir, snapshot, logger });
    const probe = async (): Promise<Finding[]> => {
      await waitUntilListening(server);
      const api = new OpenCodeApi(server.endpoint);
      await api.health(HEALTH_LIMIT_MS);
      const detail = `healthy after ${((Date.now() - began) / 1000).toFixed(1)} s`;
      return [{ check, status: 'ok', detail }, ...(await bridgeInOpenCode(api, dataDir, config.http.port))];
    };
    return await thenRelease(probe, () => server.close());
  } catch (thrown) {
    return [failed(check, thrown, `Run "${binary} serve" yourself to see what it says.`)];
  }
}

/** The supervisor would restart a server that exits; here its first exit is the result. */
async function waitUntilListening(server: EmbeddedServer): Promise<void> {
  const listening = server.listening().then(() => true);
  const deadline = Date.now() + LISTEN_LIMIT_MS;
  while (!(await Promise.race([listening, sleep(POLL_MS, false)]))) {
    if (server.lastError !== undefined) throw unavailable(server.lastError);
    if (Date.now() > deadline) throw unavailable(`not listening after ${LISTEN_LIMIT_MS / 1000} s`);
  }
}

function unavailable(why: string): BridgeError {
  return new BridgeError('ENGINE_UNAVAILABLE', `opencode serve: ${why}`);
}
