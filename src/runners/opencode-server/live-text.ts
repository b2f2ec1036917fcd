import type { LivePart, LiveSink } from '../live-sink.ts';
import { outputSoFar } from '../opencode-protocol/translate.ts';
import type { Delta, Message, OpenCodeEvent, Part, ToolPart } from '../opencode-protocol/wire.ts';
import type { Records } from './records.ts';
import type { Reported } from './reported.ts';

type TextPart = Extract<Part, { type: 'text' }>;

export interface LiveTextOptions {
  sessionId: string;
  sink: LiveSink;
  /** What the task's log has of a text part or of a call. */
  reportedOf(id: string): Reported;
}

/**
 * Passes on what the model is writing and what commands print, of the task's session and of those below it. It gets
 * each event before the log does, so that the last text of a part comes before the event that finishes the part.
 *
 * OpenCode sends the deltas of the model's reasoning under the same name as those of its text. So only parts that are
 * known to be text of the agent pass: a part whose beginning was missed is left to the event that finishes it. What the
 * parts are is remembered even if nobody follows; the text is not.
 */
export class LiveText {
  readonly #options: LiveTextOptions;
  /** The agent's messages, but for summaries of the conversation. */
  readonly #agentMessages = new Set<string>();
  /** Text parts of those messages that are being written. */
  readonly #writing = new Set<string>();

  constructor(options: LiveTextOptions) {
    this.#options = options;
  }

  onDelta({ sessionID, partID, field, delta }: Delta): void {
    const { sink } = this.#options;
    if (!sink.wanted || field !== 'text' || !this.#writing.has(partID)) return;
    sink.append(this.#part('text', partID, sessionID), delta);
  }

  onEvent(event: OpenCodeEvent): void {
    if (event.type === 'message.updated') this.#onMessage(event.properties.info);
    else if (event.type === 'message.part.updated') this.#onPart(event.properties.part);
  }

  /** Events may have been lost. A command shows all of its output again; what the model wrote is lost. */
  onGap(): void {
    if (this.#options.sink.wanted) this.#options.sink.gap();
  }

  /** The parts of records may have begun unseen. */
  onRecords({ messages, below }: Records): void {
    for (const { info, parts } of [...messages, ...[...below.values()].flat()]) {
      this.#onMessage(info);
      for (const part of parts) if (part.type === 'text') this.#onText(part, false);
    }
  }

  #onMessage(message: Message): void {
    if (message.role === 'assistant' && !message.summary) this.#agentMessages.add(message.id);
  }

  #onPart(part: Part): void {
    if (part.type === 'text') this.#onText(part, part.text === '');
    else if (part.type === 'tool' && this.#options.sink.wanted) this.#onTool(part);
  }

  #onText({ id, sessionID, messageID, synthetic, ignored, time }: TextPart, begins: boolean): void {
    const { sessionId, sink, reportedOf } = this.#options;
    if (synthetic || ignored || !this.#agentMessages.has(messageID)) return;
    if (time?.end !== undefined) {
      const isWritten = this.#writing.delete(id);
      // What a subagent wrote is in no event.
      if (isWritten && sessionID !== sessionId && sink.wanted) sink.end(this.#part('text', id, sessionID));
      return;
    }
    if (this.#writing.has(id) || reportedOf(id) === 'end') return;
    this.#writing.add(id);
    if (begins && sink.wanted) sink.begin(this.#part('text', id, sessionID));
  }

  /** Output comes after the event that starts the call, and before the one that finishes it. */
  #onTool(part: ToolPart): void {
    const output = outputSoFar(part);
    const { sink, reportedOf } = this.#options;
    if (!output || reportedOf(part.callID) !== 'start') return;
    sink.show(this.#part('tool_output', part.callID, part.sessionID), output.text, output.isEnd);
  }

  #part(kind: LivePart['kind'], id: string, sessionId: string): LivePart {
    return { kind, id, child: sessionId !== this.#options.sessionId };
  }
}
