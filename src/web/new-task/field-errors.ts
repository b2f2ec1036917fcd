import type { Problem } from '../api/problem.ts';
import type { FieldErrors } from './execute-request.ts';
import { writeTimeLimit } from './time-limit.ts';

const FIELDS: Readonly<Record<string, keyof FieldErrors>> = {
  task_description: 'description',
  directory: 'directory',
  model: 'model',
  agent: 'agent',
  timeout_ms: 'timeLimit',
  max_cost_usd: 'costLimit',
  max_tokens: 'tokenLimit',
  observers: 'observers',
  callback_url: 'callbackUrl',
  agent_id: 'owner',
  continue_task_id: 'continues',
};

/** A complaint of the bridge begins with the name of the parameter: at the start, or after the end of another one. */
const COMPLAINT = /(?:^|(?<=[.;] ))(?:The )?`?([a-z_]+)`?(?:\.\d+)?`?(?= )/g;
/** A value as the bridge quotes it: JSON, cut if it is long. What stands in it is no complaint. */
const QUOTED = /"(?:[^"\\]|\\.)*?(?:"|… \(\d+ characters\))/g;

/**
 * The complaints of a refusal at the fields that it names. One detail can name several parameters; what names none is
 * `rest`.
 */
export function fieldErrorsOf(problem: Problem, continues: boolean): { errors: FieldErrors; rest?: Problem } {
  const errors: FieldErrors = {};
  if (problem.code === 'TASK_NOT_FOUND' || (continues && problem.code === 'INVALID_STATE')) {
    errors.continues = [problem.message, problem.next].filter(Boolean).join(' ');
    return { errors };
  }
  if (!['INVALID_INPUT', 'PAYLOAD_TOO_LARGE', 'AGENT_MISMATCH', 'AGENT_REQUIRED'].includes(problem.code)) {
    return { errors, rest: problem };
  }
  const unquoted = problem.message.replace(QUOTED, (value) => '"'.repeat(value.length));
  const found = [...unquoted.matchAll(COMPLAINT)].filter(([, name = '']) => FIELDS[name] !== undefined);
  found.forEach(({ index, 1: name = '' }, at) => {
    const field = FIELDS[name];
    if (field === undefined) return;
    const complaint = problem.message.slice(index, found[at + 1]?.index).trim();
    const text = field === 'timeLimit' ? complaint.replace(/\b\d+\b/g, asTime) : complaint;
    errors[field] = errors[field] === undefined ? text : `${errors[field]} ${text}`;
  });
  return found.length > 0 ? { errors } : { errors, rest: problem };
}

/** Milliseconds as the field has them. */
function asTime(ms: string): string {
  return writeTimeLimit(Number(ms));
}
