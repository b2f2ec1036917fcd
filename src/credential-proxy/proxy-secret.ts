import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES = 32;

/**
 * The secret of the proxy's tokens. It is kept in the data folder, which no task sees: the containers of an earlier
 * process run on with their tokens.
 */
export function proxySecret(dataDir: string): Uint8Array {
  const path = join(dataDir, 'proxy-secret');
  try {
    writeFileSync(path, randomBytes(BYTES).toString('base64'), { flag: 'wx', mode: 0o600, flush: true });
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
  }
  const secret = Buffer.from(readFileSync(path, 'utf8'), 'base64');
  if (secret.length === BYTES) return secret;
  // A crash in the first start left a part of it; no token was made with it.
  writeFileSync(path, randomBytes(BYTES).toString('base64'), { mode: 0o600, flush: true });
  return Buffer.from(readFileSync(path, 'utf8'), 'base64');
}
