import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { EVERY_AGENT, send } from './client.ts';
import { Problem, unreachable } from './problem.ts';

/** The bridge sends a comment every 15 s; a connection on which nothing comes for longer is lost. */
const SILENCE_MS = 40_000;

interface StreamOptions {
  /** The id of the last message that is known. */
  lastEventId?: string | undefined;
  signal: AbortSignal;
  /** The bridge has accepted the stream. */
  opened?: () => void;
}

/**
 * The messages of a stream of the task API, until it ends. `EventSource` can send no header, and the cookie alone is
 * worth nothing, so the stream is read with fetch. Throws a Problem if the stream is refused or breaks off.
 */
export async function* eventStream(
  path: string,
  { lastEventId, signal, opened }: StreamOptions,
): AsyncGenerator<EventSourceMessage, void, void> {
  const headers = {
    Accept: 'text/event-stream',
    ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
  };
  const response = await send(path, { query: { agent_id: EVERY_AGENT }, headers, signal });
  opened?.();
  if (!response.body) return;
  const messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => messages.push(message) });
  for await (const chunk of chunksOf(response.body.pipeThrough(new TextDecoderStream()))) {
    parser.feed(chunk);
    yield* messages.splice(0);
  }
}

/** Not every browser iterates over streams yet. */
async function* chunksOf(stream: ReadableStream<string>): AsyncGenerator<string, void, void> {
  const reader = stream.getReader();
  try {
    for (let next = await inTime(reader.read()); !next.done; next = await inTime(reader.read())) {
      yield next.value;
    }
  } catch (thrown) {
    // Browsers throw errors of many kinds for a connection that broke.
    throw thrown instanceof Problem ? thrown : unreachable(thrown);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** A network that went away without a word would otherwise be waited for for ever. */
async function inTime<T>(next: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachable(new Error('nothing came'))), SILENCE_MS);
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
