import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/*
 * What lies around this module. It is at the top of the sources, and of the bundle, where all modules are
 * (build/program.ts), so its relative paths hold in both.
 */

const { version, dependencies } = z
  .object({ version: z.string(), dependencies: z.object({ 'opencode-ai': z.string() }) })
  .parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')));

/** The version of this package. */
export const VERSION = version;

/** The version of OpenCode that this package depends on and is tested with. */
export const OPENCODE_VERSION = dependencies['opencode-ai'];

/** In the package the page as it was built, in a checkout its sources. */
export const WEB_FOLDER = fileURLToPath(new URL('web', import.meta.url));
