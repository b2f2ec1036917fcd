import { defineConfig } from 'vitest/config';
import LongestFirst from './tests/support/longest-first.ts';

const { BRIDGE_TESTS_REPORT: report } = process.env;
const WEB = 'tests/web/**/*.test.ts';

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Against what hangs. What must be quick is measured by the case itself, not by these.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // On a busy machine all takes its time; what a case waits for is a state, not a moment.
    expect: { poll: { timeout: 60_000 } },
    reporters: [
      'default',
      './tests/support/skip-reporter.ts',
      ...(report ? [['json', { outputFile: report }] satisfies [string, object]] : []),
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'bridge',
          include: ['tests/**/*.test.ts'],
          exclude: [WEB],
          // For two cores: a file uses about half of one and waits the rest of the time.
          maxWorkers: 5,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'web',
          globalSetup: './tests/web/support/build-page.ts',
          include: [WEB],
          // A browser alone fills a core, and some cases measure whether the page is smooth.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
