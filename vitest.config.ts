import { defineConfig } from 'vitest/config';
import LongestFirst from './tests/support/longest-first.ts';
import { memoryFolder } from './tests/support/memory-folder.ts';

const { BRIDGE_TESTS_REPORT: report, TMPDIR = memoryFolder() } = process.env;
/** Builds the program that tests start. */
const PROGRAM = './tests/support/build-program.ts';
const WEB = 'tests/web/**/*.test.ts';
/** Files that each need a process of their own; the others share one with the files before and after them. */
const ISOLATED = [
  // They run the cases of other files, as clients of another era.
  'tests/mcp/{2026-07-28,resources-2026-07-28}.test.ts',
  // They measure the memory, the processor time or the open files of their process.
  'tests/http/{event-streams,hostile,many-modern-clients,many-sessions,many-sockets,websocket}.test.ts',
  'tests/runners/docker/{line-splitter,run-output}.test.ts',
  // It sets a variable of its process before it imports the rest.
  'tests/runners/docker/engine-restart.test.ts',
  // They change the validators that they import.
  'tests/deploy/kubernetes/*.test.ts',
];
/** For two cores: a file uses about half of one and waits the rest of the time. */
const BRIDGE = { maxWorkers: 5, sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    ...(TMPDIR && { env: { TMPDIR } }),
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
          exclude: [WEB, ...ISOLATED],
          globalSetup: PROGRAM,
          isolate: false,
          ...BRIDGE,
        },
      },
      {
        extends: true,
        test: { name: 'isolated', include: ISOLATED, globalSetup: PROGRAM, ...BRIDGE },
      },
      {
        extends: true,
        test: {
          name: 'web',
          isolate: false,
          globalSetup: PROGRAM,
          include: [WEB],
          // A browser alone fills a core, and some cases measure whether the page is smooth.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
