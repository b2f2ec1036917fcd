import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { z } from 'zod';

const TABLE = join(import.meta.dirname, 'durations.json');
const TESTS = join(import.meta.dirname, '..');
/** What a file takes that the table does not know. */
const UNKNOWN_S = 5;

/**
 * Starts the files that take longest first, so that at the end no worker waits for a long one. Those that are isolated
 * come before the others, because a worker takes another file only while the next one is not isolated.
 * `node tests/support/durations.ts <report>` writes the table; it need not be exact.
 */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = z.record(z.string(), z.number()).parse(JSON.parse(readFileSync(TABLE, 'utf8')));
    const of = ({ moduleId }: TestSpecification) => seconds[relative(TESTS, moduleId)] ?? UNKNOWN_S;
    const isolated = ({ project }: TestSpecification) => Number(project.config.isolate);
    return files.toSorted((one, other) => isolated(other) - isolated(one) || of(other) - of(one));
  }
}
