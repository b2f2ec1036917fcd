import { isRecord } from '../api/problem.ts';
import type { TaskEvent } from '../api/task.ts';

/** Live text of a part that is not finished; docs/websocket.md has its rules. */
export interface DeltaFrame {
  type: 'delta';
  kind: 'text' | 'tool_output';
  part: string;
  text: string;
  gap?: true;
  reset?: true;
  child?: true;
}

/** What a WebSocket of the view `events` sends. */
export type Frame =
  | { type: 'event'; event: TaskEvent }
  | DeltaFrame
  | { type: 'ack'; id: number; [field: string]: unknown }
  | { type: 'error'; id?: number; code: string; detail: string; next?: string };

const TYPES: readonly unknown[] = ['event', 'delta', 'ack', 'error'];

/** Undefined for a frame of a kind that this page does not know yet. */
export function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== 'string') return undefined;
  const frame: unknown = JSON.parse(data);
  return isRecord(frame) && TYPES.includes(frame.type) ? (frame as unknown as Frame) : undefined;
}
