import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePage } from '../src/http/page/built-page.ts';
import { bundlePage } from '../src/http/page/bundle.ts';
import { WEB_FOLDER } from '../src/package.ts';
import { licensesOf } from './licenses.ts';
import { buildProgram, ROOT } from './program.ts';

// `npm run build`: writes what the package has, or into the folder that is named.
const [, , folder = join(ROOT, 'dist')] = process.argv;
const inputs = await buildProgram(folder);
const page = await bundlePage(join(WEB_FOLDER, 'main.tsx'));
await writePage(join(folder, 'web'), page);
await writeFile(join(folder, 'third-party-licenses.txt'), await licensesOf([...inputs, ...page.inputs]));
