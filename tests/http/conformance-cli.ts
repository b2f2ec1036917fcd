import { execFile } from 'node:child_process';
import { join } from 'node:path';

const CLI = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** Runs one scenario of the official conformance suite, of one revision or of that which it is written for. */
export function runScenario(
  url: string,
  scenario: string,
  cwd: string,
  version?: string,
): Promise<{ code: number; output: string }> {
  const args = ['server', '--url', url, '--scenario', scenario];
  const all = version === undefined ? args : [...args, '--spec-version', version];
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...all], { cwd, timeout: 40_000 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ code, output: stdout + stderr });
    });
  });
}
