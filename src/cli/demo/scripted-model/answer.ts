/** An answer as the server-sent events that stream it, and as one body. */
export interface Answer {
  opening: string[];
  /** The pieces of the content; an interrupted answer ends among them. */
  deltas: string[];
  closing: string[];
  /** The event that reports an error in the middle of the stream. */
  error(message: string): string;
  whole(): object;
}
