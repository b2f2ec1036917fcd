import type { Draft, DraftField } from './draft.ts';
import { parseTimeLimit } from './time-limit.ts';

/** What is wrong, by field. */
export type FieldErrors = Partial<Record<DraftField | 'continues', string>>;

/** The body of POST /tasks/execute for a draft, without a key; or what cannot be sent as it is. */
export function executeBody(
  draft: Draft,
  continues: string | undefined,
): { body: Record<string, unknown> } | { errors: FieldErrors } {
  const errors: FieldErrors = {};
  const read = <T>(field: DraftField, parse: (text: string) => T | undefined, complaint: string) => {
    const text = draft[field].trim();
    if (text === '') return undefined;
    const value = parse(text);
    if (value === undefined) errors[field] = complaint;
    return value;
  };
  const text = (value: string): string | undefined => value.trim() || undefined;
  if (draft.description.trim() === '') errors.description = 'Say what has to be done.';
  const observers = draft.observers.split(/[\s,]+/).filter((user) => user !== '');
  const body = {
    task_description: draft.description,
    directory: continues === undefined ? text(draft.directory) : undefined,
    model: text(draft.model),
    agent: text(draft.agent),
    timeout_ms: read('timeLimit', parseTimeLimit, 'This is no time; write it as 45m or 1h 30m.'),
    max_cost_usd: read('costLimit', positive, 'This is no amount above 0.'),
    max_tokens: read('tokenLimit', wholeNumber, 'This is no whole number above 0.'),
    observers: observers.length > 0 ? observers : undefined,
    callback_url: text(draft.callbackUrl),
    continue_task_id: continues,
  };
  if (Object.keys(errors).length > 0) return { errors };
  return { body: Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) };
}

function positive(text: string): number | undefined {
  const value = /^\$?\d*\.?\d+$/.test(text) ? Number(text.replace('$', '')) : 0;
  return value > 0 && Number.isFinite(value) ? value : undefined;
}

/** `200000`, `200 000`, `200,000`, `200k`, `1.5M`. */
function wholeNumber(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d[\d\s,_]*(?:\.\d+)?)\s*([km]?)$/i.exec(text) ?? [];
  const factor = { k: 1_000, m: 1_000_000 }[unit.toLowerCase()] ?? 1;
  const value = Number(digits.replaceAll(/[\s,_]/g, '')) * factor;
  return digits !== '' && Number.isSafeInteger(Math.round(value)) && value >= 1
    ? Math.round(value)
    : undefined;
}
