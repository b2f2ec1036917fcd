import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The id that labels the containers of a DATA_DIR; every process that uses this DATA_DIR has the same. */
export function bridgeIdOf(dataDir: string): string {
  const path = join(dataDir, 'bridge-id');
  if (!existsSync(path)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(path, randomUUID());
  }
  return readFileSync(path, 'utf8').trim();
}
