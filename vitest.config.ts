import { defineConfig } from 'vitest/config';

const { BRIDGE_TESTS_REPORT: report } = process.env;

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // An OpenCode server takes a core for itself; more files at once only make each other late.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 90_000,
    reporters: [
      'default',
      './tests/support/skip-reporter.ts',
      ...(report ? [['json', { outputFile: report }] satisfies [string, object]] : []),
    ],
  },
});
