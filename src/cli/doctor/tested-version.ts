import { OPENCODE_VERSION } from '../../package.ts';
import type { Finding } from './check.ts';

/** A row about a version of OpenCode: ok where it satisfies `expected`, else a warning. */
export function judgeVersion(
  check: string,
  version: string,
  expected: 'the tested one' | 'in the tested range',
  detail: string,
): Finding {
  const range = OPENCODE_VERSION.replace(/\d+$/, '');
  const fits = expected === 'the tested one' ? version === OPENCODE_VERSION : version.startsWith(range);
  if (fits) return { check, status: 'ok', detail };
  const next = `The bridge is tested with OpenCode ${OPENCODE_VERSION}; others may send events that it does not know.`;
  return { check, status: 'warn', detail: `${detail}, tested is ${OPENCODE_VERSION}`, next };
}
