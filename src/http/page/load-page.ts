import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BridgeError, messageOf } from '../../errors.ts';
import { MANIFEST, readPage } from './built-page.ts';
import type { Bundle } from './bundle.ts';

/** The page of a folder: as built, or bundled now. Throws UNSUPPORTED with the way out if neither is possible. */
export async function loadPage(folder: string): Promise<Bundle> {
  if (existsSync(join(folder, MANIFEST))) return readPage(folder);
  const entry = join(folder, 'main.tsx');
  if (!existsSync(entry)) throw notBuilt(`${folder} has no ${MANIFEST}`);
  const { bundlePage } = await import('./bundle.ts');
  return bundlePage(entry).catch((thrown: unknown) => {
    const missing = missingPackage(thrown);
    throw missing === undefined ? thrown : notBuilt(`${missing} is not installed`, thrown);
  });
}

/** esbuild itself, or a package that it does not find; a file of the sources is none. */
function missingPackage(thrown: unknown): string | undefined {
  const message = messageOf(thrown);
  return (
    /^Cannot find (?:package|module) '(esbuild)'/.exec(message)?.[1] ??
    /Could not resolve "([^."/][^"]*)"/.exec(message)?.[1]
  );
}

function notBuilt(why: string, cause?: unknown): BridgeError {
  return new BridgeError('UNSUPPORTED', `The page is not built: ${why}.`, {
    next: 'In a checkout run "npm ci"; elsewhere install the package again. WEB_UI=false switches the page off.',
    cause,
  });
}
