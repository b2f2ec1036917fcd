import { z } from 'zod';
import type { Answer } from '../../api/answer-request.ts';
import { printable } from '../../errors.ts';
import type { InputRequest } from '../../tasks/events.ts';
import { cutWithLength, wellFormed } from '../../text.ts';

/** A person decides on what is shown, so that much is shown; what is cut is said. */
const MAX_MESSAGE = 8_000;
const MAX_TITLE = 200;
const MAX_TEXT = 2_000;
/** Further ones can still be given in own words. */
const MAX_OPTIONS = 50;

interface Choice {
  const: string;
  title: string;
}
interface Labels {
  title: string;
  description?: string;
}
type Field = Labels &
  (
    | { type: 'string'; maxLength: number }
    | { type: 'string'; oneOf: Choice[] }
    | { type: 'array'; items: { anyOf: Choice[] } }
  );

/** A form as it goes to a client of either era. */
export interface ElicitRequest {
  method: 'elicitation/create';
  params: {
    mode: 'form';
    message: string;
    requestedSchema: { type: 'object'; properties: Record<string, Field>; required?: string[] };
  };
}

const REPLIES: Choice[] = [
  { const: 'once', title: 'Allow once' },
  { const: 'always', title: 'Always allow' },
  { const: 'reject', title: 'Reject' },
];

/** Without a default: one key too many must not allow a command. */
const PERMISSION: ElicitRequest['params']['requestedSchema'] = {
  type: 'object',
  properties: {
    reply: { type: 'string', title: 'Answer', oneOf: REPLIES },
    message: { type: 'string', title: 'Why not (only with Reject)', maxLength: MAX_TEXT },
  },
  required: ['reply'],
};

const permissionContent = z.object({
  reply: z.enum(['once', 'always', 'reject']),
  message: z.string().max(MAX_TEXT).optional(),
});
const chosen = z.union([z.string(), z.array(z.string())]).optional();
const answers = z.array(z.array(z.string().min(1).max(4_000)).max(100));

/** A request of the agent as a form for the client's user; the same each time it is asked for. */
export function formOf(request: InputRequest): ElicitRequest {
  const requestedSchema = request.type === 'permission' ? PERMISSION : questionSchema(request);
  const message = cutWithLength(printable(messageOf(request)), MAX_MESSAGE);
  return wellFormed({ method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } });
}

/** The answer that a filled form holds; undefined if it holds none. */
export function answerOf(request: InputRequest, content: unknown): Answer | undefined {
  if (request.type === 'permission') {
    const { reply, message } = permissionContent.safeParse(content).data ?? {};
    return reply && { reply, ...(message ? { message } : {}) };
  }
  const fields = z.record(z.string(), z.unknown()).safeParse(content).data ?? {};
  const lists = (request.questions ?? []).map((_, index) => {
    const picked = chosen.safeParse(fields[nameOf(index)]);
    const own = z
      .string()
      .optional()
      .safeParse(fields[`${nameOf(index)}_other`]);
    if (!picked.success || !own.success) return undefined;
    return [picked.data ?? [], own.data?.trim() ?? []].flat().filter((text) => text !== '');
  });
  const checked = answers.safeParse(lists).data;
  return checked?.some((list) => list.length > 0) ? { answers: checked } : undefined;
}

function messageOf({ type, title, permission, patterns = [], questions = [] }: InputRequest): string {
  if (type === 'question') {
    const asked = questions.map(({ header, question }) => `${header}: ${question}`);
    return asked.length > 0 ? asked.join('\n') : title;
  }
  const what = patterns.length > 0 ? patterns.join('\n') : title;
  return `OpenCode wants to use ${permission ?? 'a tool'}: ${what}`;
}

function questionSchema({ questions = [] }: InputRequest): ElicitRequest['params']['requestedSchema'] {
  const properties = questions.flatMap(
    ({ header, question, options, multiple }, index): [string, Field][] => {
      const title = short(header);
      const labels = [...new Set(options.map(({ label }) => label))].filter((label) => label !== '');
      const choices = labels.slice(0, MAX_OPTIONS).map((label) => ({ const: label, title: short(label) }));
      const described: Labels = { title, description: cutWithLength(printable(question), MAX_TEXT) };
      const field: Field = multiple
        ? { ...described, type: 'array', items: { anyOf: choices } }
        : { ...described, type: 'string', oneOf: choices };
      const other: Field = { type: 'string', title: `${title}, in your own words`, maxLength: MAX_TEXT };
      if (choices.length === 0) return [[`${nameOf(index)}_other`, { ...other, ...described }]];
      return [
        [nameOf(index), field],
        [`${nameOf(index)}_other`, other],
      ];
    },
  );
  return { type: 'object', properties: Object.fromEntries(properties) };
}

/** The names are ours: the agent's words are no keys. */
function nameOf(index: number): string {
  return `q${index}`;
}

function short(text: string): string {
  return cutWithLength(printable(text), MAX_TITLE);
}
