import type { InputRequest } from '../../tasks/events.ts';

/** A command of a person in Matrix. */
export type Command =
  | { do: 'status' }
  | { do: 'help'; unknown?: string }
  | { do: 'cancel' | 'pause' | 'resume'; reason?: string | undefined }
  | { do: 'say'; text: string }
  | { do: 'permit'; reply: 'once' | 'always' | 'reject'; why?: string | undefined }
  | { do: 'answer'; text: string }
  /** A reply to a permission request that does not answer it. */
  | { do: 'unclear' };

/** What a message refers to. */
export interface Context {
  /** Whether it is in the thread or the room of a task. */
  task: boolean;
  /** The request that it replies or reacts to; `closed` where that no longer waits for an answer. */
  request?: Pick<InputRequest, 'type'> | 'closed' | undefined;
}

const COMMAND = /^!([a-z]+)(?:\s+([\s\S]*))?$/i;
/** The quote that clients put above a reply, for clients without replies. */
const FALLBACK = /^> (?:\* )?<@[^\n]*\n(?:>[^\n]*\n)*\n?/;
const ONCE = /^(?:allow|yes|yep|y|ok|okay|once|approve|approved)[.!]*$/i;
const ALWAYS = /^always[.!]*$/i;
const REJECT = /^(?:no|nope|n|deny|denied|reject|rejected)(?:[\s,.:;!–—-]+([\s\S]*))?$/i;

/** Whether a message is a command by its form. */
export function isNamed(body: string): boolean {
  return COMMAND.test(textOf(body));
}

/** Parses a message; undefined where the bridge has nothing to do. */
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

/** The type of a closed request is not known; the answer is refused in any case. */
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
/** Variation selectors and skin tones, which do not change the meaning. */
const MODIFIERS = /[\ufe0e\ufe0f]|[\u{1f3fb}-\u{1f3ff}]/gu;
const REPLIES: ReadonlyMap<string, 'once' | 'always' | 'reject'> = new Map([
  ['✅', 'once'],
  ['👍', 'once'],
  ['♾', 'always'],
  ['🔁', 'always'],
  ['❌', 'reject'],
  ['👎', 'reject'],
]);

/** Parses a reaction; undefined where it is no answer. Without a request: whether it could be one. */
export function commandOfReaction(key: string, request: Context['request']): Command | undefined {
  const plain = key.replace(MODIFIERS, '');
  const [, n] = ONE_TO_NINE.exec(plain) ?? [];
  const type = request === 'closed' ? undefined : request?.type;
  if (n !== undefined) return type === 'permission' ? undefined : { do: 'answer', text: n };
  const reply = REPLIES.get(plain);
  if (reply === undefined || (type === 'question' && reply !== 'reject')) return undefined;
  return { do: 'permit', reply };
}
