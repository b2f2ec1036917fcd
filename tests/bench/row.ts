import { statusUnderLoad } from './load.ts';
import type { Row } from './report.ts';

/** `npm run bench:row -- load`: one of the rows that stand alone, without the others and without the page. */
const ROWS: Record<string, () => Promise<Row>> = { load: statusUnderLoad };

const [name = ''] = process.argv.slice(2);
const row = ROWS[name];
if (!row)
  throw new Error(`There is no row "${name}" that stands alone; there is ${Object.keys(ROWS).join(', ')}.`);
process.stdout.write(`${JSON.stringify(await row(), undefined, 2)}\n`);
