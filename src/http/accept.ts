import type { Request } from 'express';

/** An answer is a stream of events, which has room for progress, or one JSON body. */
export type Form = 'stream' | 'json';

const TYPES = { stream: 'text/event-stream', json: 'application/json' } as const;

/**
 * The form in which a call is answered: a stream where the client names it, else JSON where it takes that. A client
 * that takes anything, or says nothing, is one that expects a plain answer. Undefined where neither is accepted.
 */
export function acceptedForm({ headers }: Request): Form | undefined {
  const ranges = rangesOf(headers.accept);
  const named = [TYPES.stream, 'text/*'].some((range) => ranges.has(range));
  if (named && accepts(ranges, TYPES.stream)) return 'stream';
  if (accepts(ranges, TYPES.json)) return 'json';
  return accepts(ranges, TYPES.stream) ? 'stream' : undefined;
}

export function acceptsStream({ headers }: Request): boolean {
  return accepts(rangesOf(headers.accept), TYPES.stream);
}

/** Whether each range of media types is accepted. Clients send parameters such as charset, which say nothing here. */
function rangesOf(accept = ''): ReadonlyMap<string, boolean> {
  const ranges = (accept.trim() || '*/*').toLowerCase().split(',');
  return new Map(
    ranges.map((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
      return [type, !parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter))];
    }),
  );
}

/** The most specific range that fits a type decides. */
function accepts(ranges: ReadonlyMap<string, boolean>, type: string): boolean {
  return ranges.get(type) ?? ranges.get(type.replace(/\/.*/, '/*')) ?? ranges.get('*/*') ?? false;
}
