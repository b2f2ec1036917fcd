import type { InputRequest } from '../../tasks/events.ts';

/** What somebody wants, as said in Matrix. */
export type Command =
  | { do: 'status' }
  | { do: 'help'; unknown?: string }
  | { do: 'cancel' | 'pause' | 'resume'; reason?: string | undefined }
  | { do: 'say'; text: string }
  | { do: 'permit'; reply: 'once' | 'always' | 'reject'; why?: string | undefined }
  | { do: 'answer'; text: string }
  /** A reply to a permission that is no answer to it. */
  | { do: 'unclear' };

/** Where something was said. */
export interface Context {
  /** In the thread or the room of a task. */
  task: boolean;
  /** The request that it replies or reacts to; `closed` where that waits for no answer any more. */
  request?: Pick<InputRequest, 'type'> | 'closed' | undefined;
}

const COMMAND = /^!([a-z]+)(?:\s+([\s\S]*))?$/i;
/** What clients put above a reply for those that know no replies. */
const FALLBACK = /^> (?:\* )?<@[^\n]*\n(?:>[^\n]*\n)*\n?/;
const ONCE = /^(?:allow|yes|yep|y|ok|okay|once|approve|approved)[.!]*$/i;
const ALWAYS = /^always[.!]*$/i;
const REJECT = /^(?:no|nope|n|deny|denied|reject|rejected)(?:[\s,.:;!–—-]+([\s\S]*))?$/i;

/** Whether a message is a command by its form. */
export function isNamed(body: string): boolean {
  return COMMAND.test(textOf(body));
}

/** Reads a message; undefined where it is nothing that the bridge has to do anything about. */
export function commandOf(body: string, { task, request }: Context): Command | undefined {
  const text = textOf(body);
  if (text === '') return undefined;
  const [, name, rest] = COMMAND.exec(text) ?? [];
  if (name !== undefined) return named(name.toLowerCase(), rest?.trim() || undefined);
  if (request) return replyTo(request, text);
  return task ? { do: 'say', text } : undefined;
}

function textOf(body: string): string {
  return body.replace(FALLBACK, '').trim();
}

function named(name: string, rest: string | undefined): Command {
  switch (name) {
    case 'status':
    case 'help':
      return { do: name };
    case 'cancel':
    case 'pause':
    case 'resume':
      return { do: name, reason: rest };
    case 'say':
      return { do: 'say', text: rest ?? '' };
    case 'allow':
      return { do: 'permit', reply: 'once' };
    case 'always':
      return { do: 'permit', reply: 'always' };
    case 'deny':
      return { do: 'permit', reply: 'reject', why: rest };
    case 'answer':
      return { do: 'answer', text: rest ?? '' };
    default:
      return { do: 'help', unknown: `!${name}` };
  }
}

/** Of a closed request it is not known what it was: its answer is refused whatever it is. */
function replyTo(request: NonNullable<Context['request']>, text: string): Command {
  const isPermission = request === 'closed' || request.type === 'permission';
  if (isPermission && ONCE.test(text)) return { do: 'permit', reply: 'once' };
  if (isPermission && ALWAYS.test(text)) return { do: 'permit', reply: 'always' };
  const [no, why] = REJECT.exec(text) ?? [];
  if (isPermission && no !== undefined) return { do: 'permit', reply: 'reject', why: why || undefined };
  if (request !== 'closed' && request.type === 'permission') return { do: 'unclear' };
  return { do: 'answer', text };
}

const ONE_TO_NINE = /^([1-9])\u20e3$/;
/** Which of several looks of a character, and which colour of skin: the same is meant. */
const LOOKS = /[\ufe0e\ufe0f]|[\u{1f3fb}-\u{1f3ff}]/gu;
const REPLIES: ReadonlyMap<string, 'once' | 'always' | 'reject'> = new Map([
  ['✅', 'once'],
  ['👍', 'once'],
  ['♾', 'always'],
  ['🔁', 'always'],
  ['❌', 'reject'],
  ['👎', 'reject'],
]);

/** Reads a reaction; undefined where it answers nothing. Without a context: whether it could. */
export function commandOfReaction(key: string, request: Context['request']): Command | undefined {
  const plain = key.replace(LOOKS, '');
  const [, n] = ONE_TO_NINE.exec(plain) ?? [];
  const type = request === 'closed' ? undefined : request?.type;
  if (n !== undefined) return type === 'permission' ? undefined : { do: 'answer', text: n };
  const reply = REPLIES.get(plain);
  if (reply === undefined || (type === 'question' && reply !== 'reject')) return undefined;
  return { do: 'permit', reply };
}
