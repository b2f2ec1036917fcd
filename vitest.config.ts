import { defineConfig } from 'vitest/config';
import LongestFirst from './tests/support/longest-first.ts';

const { BRIDGE_TESTS_REPORT: report } = process.env;

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // For two cores: a file uses about half of one and waits the rest of the time.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 90_000,
    reporters: [
      'default',
      './tests/support/skip-reporter.ts',
      ...(report ? [['json', { outputFile: report }] satisfies [string, object]] : []),
    ],
  },
});
