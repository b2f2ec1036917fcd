import type { Request } from 'express';

/** A response is a stream of events, which can carry progress, or one JSON body. */
export type ResponseFormat = 'stream' | 'json';

const TYPES = { stream: 'text/event-stream', json: 'application/json' } as const;

/**
 * The format of a response: a stream if the Accept header names it, else JSON if that is accepted. A client that accepts
 * anything, or sends no header, expects plain JSON. Undefined if neither format is accepted.
 */
export function negotiateFormat({ headers }: Request): ResponseFormat | undefined {
  const ranges = rangesOf(headers.accept);
  const named = [TYPES.stream, 'text/*'].some((range) => ranges.has(range));
  if (named && accepts(ranges, TYPES.stream)) return 'stream';
  if (accepts(ranges, TYPES.json)) return 'json';
  return accepts(ranges, TYPES.stream) ? 'stream' : undefined;
}

export function acceptsStream({ headers }: Request): boolean {
  return accepts(rangesOf(headers.accept), TYPES.stream);
}

/** Whether each range of media types is accepted. Parameters such as charset are ignored. */
function rangesOf(accept = ''): ReadonlyMap<string, boolean> {
  const ranges = (accept.trim() || '*/*').toLowerCase().split(',');
  return new Map(
    ranges.map((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
      return [type, !parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter))];
    }),
  );
}

/** The most specific range that matches a type decides. */
function accepts(ranges: ReadonlyMap<string, boolean>, type: string): boolean {
  return ranges.get(type) ?? ranges.get(type.replace(/\/.*/, '/*')) ?? ranges.get('*/*') ?? false;
}
