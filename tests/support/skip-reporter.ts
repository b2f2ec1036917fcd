import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Reports what was skipped and why. With BRIDGE_TESTS_NO_SKIP set, a skip fails the run. */
export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    if (skipped.length === 0) return;
    const lines = skipped.map(
      (test) => `  ${test.module.relativeModuleId}: ${test.fullName}: ${reason(test)}`,
    );
    process.stderr.write(`Skipped ${skipped.length} test(s):\n${lines.join('\n')}\n`);
    if (process.env.BRIDGE_TESTS_NO_SKIP) process.exitCode = 1;
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === 'skipped' && result.note) || 'no reason given';
}
