import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPackage } from './package.ts';
import { ROOT } from './program.ts';

// `npm run build`: writes what the package has into `dist`, in place of what is there, or into a new folder.
const [, , named] = process.argv;
const folder = named ?? join(ROOT, 'dist');
if (named === undefined) await rm(folder, { recursive: true, force: true });
else if (existsSync(named)) throw new Error(`${JSON.stringify(named)} exists; name a folder that does not.`);
await buildPackage(folder);
