import { GROUPS } from './groups.ts';
import { modeRows } from './modes.ts';
import { modeTable, rowTable } from './report.ts';

/** `npm run bench:row -- docker`: one group of rows, without the others and without the page. */
const [name = ''] = process.argv.slice(2);
const group = GROUPS[name];
if (name === 'modes') process.stdout.write(`${modeTable(await all(modeRows()))}\n`);
else if (group) process.stdout.write(`${rowTable(await all(group()))}\n`);
else
  throw new Error(`There are no rows "${name}"; there are ${[...Object.keys(GROUPS), 'modes'].join(', ')}.`);

/** All rows; each is printed when it is measured. */
async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) {
    found.push(row);
    process.stderr.write(`${JSON.stringify(row)}\n`);
  }
  return found;
}
