import { join } from 'node:path';
import { buildPackage } from './package.ts';
import { ROOT } from './program.ts';

// `npm run build`: writes what the package has, or into the folder that is named.
const [, , folder = join(ROOT, 'dist')] = process.argv;
await buildPackage(folder);
