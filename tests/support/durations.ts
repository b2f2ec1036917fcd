import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';

/** `node durations.ts <report>`: writes the seconds that each test file took, of those that take some, from BRIDGE_TESTS_REPORT. */
const LEAST_S = 3;
const TESTS = join(import.meta.dirname, '..');
const reportSchema = z.object({
  testResults: z.array(z.object({ name: z.string(), startTime: z.number(), endTime: z.number() })),
});

const [, , report = ''] = process.argv;
const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
const files = testResults
  .map(({ name, startTime, endTime }): [string, number] => [
    relative(TESTS, name),
    Math.round((endTime - startTime) / 1_000),
  ])
  .filter(([, seconds]) => seconds >= LEAST_S)
  .sort(([, one], [, other]) => other - one);
const table = join(import.meta.dirname, 'durations.json');
writeFileSync(table, `${JSON.stringify(Object.fromEntries(files), undefined, 2)}\n`);
