import { createHash } from 'node:crypto';
import type { Task } from './task.ts';

/** A span by its ids, as W3C Trace Context has them: 32 and 16 hexadecimal digits. */
export interface SpanIds {
  traceId: string;
  spanId: string;
  sampled: boolean;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; later versions may have more fields behind these. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

/** The ids in a `traceparent`; undefined if it is none. */
export function parseTraceparent(text: unknown): SpanIds | undefined {
  const [, traceId, spanId, flags = ''] = (typeof text === 'string' && TRACEPARENT.exec(text)) || [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/**
 * The span of a task: in the trace of the caller, or in one of its own. The ids follow from the task, so that a bridge
 * that was restarted, and whoever hands them on, knows them too.
 */
export function spanOf({ id, traceparent }: Pick<Task, 'id' | 'traceparent'>): SpanIds {
  const caller = parseTraceparent(traceparent);
  return {
    traceId: caller?.traceId ?? digest(`trace ${id}`).slice(0, 32),
    spanId: digest(`span ${id}`).slice(0, 16),
    sampled: caller?.sampled ?? true,
  };
}

export function formatTraceparent({ traceId, spanId, sampled }: SpanIds): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
