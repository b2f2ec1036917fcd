import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { BridgeError } from '../../errors.ts';

/** A smaller file is only a script which says that the binary was not installed. */
const SMALLEST_BINARY = 1_000_000;

/**
 * The `opencode` executable: OPENCODE_BIN, else the pinned `opencode-ai` package, else PATH.
 * Throws ENGINE_UNAVAILABLE that names where it looked.
 */
export function findOpenCode(explicit: string | undefined, path: string | undefined): string {
  if (explicit !== undefined) {
    if (isExecutable(explicit)) return explicit;
    throw new BridgeError('ENGINE_UNAVAILABLE', `OPENCODE_BIN "${explicit}" is not an executable file.`, {
      next: 'Set OPENCODE_BIN to the opencode executable, or unset it to use the packaged one.',
    });
  }
  const onPath = (path ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, 'opencode'));
  const found = packaged().find(isBinary) ?? onPath.find(isExecutable);
  if (found) return found;
  throw new BridgeError('ENGINE_UNAVAILABLE', 'No opencode executable: not in opencode-ai, not on PATH.', {
    next: 'Run npm install with its install scripts allowed, or set OPENCODE_BIN.',
  });
}

function packaged(): string[] {
  const require = createRequire(import.meta.url);
  const platform = `opencode-${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  return [
    ['opencode-ai', 'bin/opencode.exe'],
    [platform, 'bin/opencode'],
    [platform, 'bin/opencode.exe'],
  ].flatMap(([name = '', file = '']) => {
    try {
      return [join(dirname(require.resolve(`${name}/package.json`)), file)];
    } catch {
      return [];
    }
  });
}

function isBinary(path: string): boolean {
  return isExecutable(path) && statSync(path).size > SMALLEST_BINARY;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
