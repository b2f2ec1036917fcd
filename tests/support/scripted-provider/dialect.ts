import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../../../src/cli/demo/scripted-model/answer.ts';
import type { ChatMessage } from '../../../src/cli/demo/scripted-model/chat.ts';
import type { Step } from '../../../src/cli/demo/scripted-model/script.ts';

export const DIALECT_NAMES = ['anthropic', 'openai-chat', 'openai-responses', 'openrouter'] as const;
export type DialectName = (typeof DIALECT_NAMES)[number];

/** A request to a model as every dialect has it. */
interface Question {
  streamed: boolean;
  /** The conversation in the roles of chat completions. */
  messages: ChatMessage[];
  /** Names of the offered tools. */
  tools: string[];
  answer(step: Step): Answer;
}

export interface Failure {
  status: number;
  message: string;
  code?: string | undefined;
}

/** How one API of models speaks. */
export interface Dialect {
  /** The path of the base URL that a client of the API is given. */
  base: string;
  /** What the client appends to it. */
  path: string;
  /** The key in the headers. */
  keyOf(headers: IncomingHttpHeaders): string | undefined;
  /** The message of the API when the key is wrong. */
  refusal(key: string | undefined): Failure;
  /** Throws a ZodError if the body is not a request of the API. */
  read(body: unknown): Question;
  /** The body of a failure. */
  failure(failure: Failure): object;
}

/** The key of `Authorization: Bearer …`. */
export function bearerKey({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
}

/** The events of one part of an answer as its pieces: the first one begins the part too, the last one ends it. */
export function piecesOfPart(begin: string[], deltas: string[], end: string[]): string[] {
  const pieces = deltas.length === 0 ? [''] : [...deltas];
  pieces[0] = [...begin, pieces[0]].join('');
  pieces.push([pieces.pop(), ...end].join(''));
  return pieces;
}

/** A server-sent event whose name is the type in its data, as Anthropic and the Responses API send it. */
export function typedEvent(type: string, data: object = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

/** The arguments of a tool call in two pieces, so that whoever reads them has to join them. */
export function argumentPieces(args: object): string[] {
  const json = JSON.stringify(args);
  const half = Math.ceil(json.length / 2);
  return [json.slice(0, half), json.slice(half)];
}
