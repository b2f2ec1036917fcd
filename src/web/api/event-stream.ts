import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { EVERY_AGENT, send } from './client.ts';

/**
 * The messages of a stream of the task API, until it ends. `EventSource` can send no header, and the cookie alone is
 * worth nothing, so the stream is read with fetch. Throws a Problem if the stream is refused or breaks off.
 */
export async function* eventStream(
  path: string,
  lastEventId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<EventSourceMessage, void, void> {
  const headers = {
    Accept: 'text/event-stream',
    ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
  };
  const response = await send(path, { query: { agent_id: EVERY_AGENT }, headers, signal });
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
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
