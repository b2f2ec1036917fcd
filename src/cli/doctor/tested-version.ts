import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Finding } from './check.ts';

/** The version of OpenCode that this package depends on and is tested with. */
const TESTED = z
  .object({ dependencies: z.object({ 'opencode-ai': z.string() }) })
  .parse(JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))).dependencies[
  'opencode-ai'
];

/** A row about a version of OpenCode: ok where it satisfies `expected`, else a warning. */
export function judgeVersion(
  check: string,
  version: string,
  expected: 'the tested one' | 'in the tested range',
  detail: string,
): Finding {
  const range = TESTED.replace(/\d+$/, '');
  const fits = expected === 'the tested one' ? version === TESTED : version.startsWith(range);
  if (fits) return { check, status: 'ok', detail };
  const next = `The bridge is tested with OpenCode ${TESTED}; others may send events that it does not know.`;
  return { check, status: 'warn', detail: `${detail}, tested is ${TESTED}`, next };
}
