import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

/**
 * `node summary.ts <report>`: what failed, in a few lines each, then `N passed, N failed, N skipped`, from
 * BRIDGE_TESTS_REPORT. Where only the end of a long log is kept, the reasons are still in it.
 */
const LINES_EACH = 4;
const LINE_LENGTH = 300;
const ROOT = join(import.meta.dirname, '../..');
const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      /** Why the file failed where none of its cases did. */
      message: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          duration: z.number().nullish(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

function firstLines(message: string): string[] {
  const lines = stripVTControlCharacters(message).split('\n').slice(0, LINES_EACH);
  return lines.map((line) => `    ${line.slice(0, LINE_LENGTH)}`);
}

const [, , report = ''] = process.argv;
const { numPassedTests, numFailedTests, numPendingTests, testResults } = reportSchema.parse(
  JSON.parse(readFileSync(report, 'utf8')),
);
const lines: string[] = [];
for (const { name, status, message, assertionResults } of testResults) {
  if (status !== 'failed') continue;
  lines.push(relative(ROOT, name));
  if (message) lines.push(...firstLines(message));
  for (const { fullName, status: result, duration, failureMessages } of assertionResults) {
    if (result !== 'failed') continue;
    lines.push(`  ${fullName} (${Math.round((duration ?? 0) / 1_000)} s)`);
    lines.push(...(failureMessages ?? []).flatMap(firstLines));
  }
}
lines.push(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
process.stdout.write(`${lines.join('\n')}\n`);
