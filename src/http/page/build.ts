import { fileURLToPath } from 'node:url';
import { writePage } from './built-page.ts';
import { bundlePage } from './bundle.ts';

// `npm run build`: writes the page of the package, or into the folder that is named.
const [, , folder = fileURLToPath(new URL('../../../dist/web', import.meta.url))] = process.argv;
await writePage(folder, await bundlePage(fileURLToPath(new URL('../../web/main.tsx', import.meta.url))));
