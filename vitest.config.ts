import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Two cores, and each engine takes one: the heavy files run one after the other.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 90_000,
    reporters: process.env.BRIDGE_TESTS_REPORT
      ? ['default', ['json', { outputFile: process.env.BRIDGE_TESTS_REPORT }]]
      : ['default'],
  },
});
