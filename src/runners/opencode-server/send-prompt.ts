import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import { failed } from '../opencode-protocol/translate.ts';
import type { TurnOutcome } from '../runner.ts';
import type { OpenCodeApi, PromptRequest } from './api.ts';
import { isTransient } from './api-failure.ts';
import type { EventStream } from './event-stream.ts';
import { notReadyWarning } from './not-ready.ts';

const RESEND_MS = 1_000;
/** After so many failures in a row the task reports what it waits for. */
const SILENT_FAILURES = 2;

export interface SendOptions {
  api: OpenCodeApi;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  logger: Logger;
  /** Whether the prompt may have been sent before. */
  perhapsSent: boolean;
  /** Reports what the log does not hold yet, before anything is sent. */
  catchUp: () => Promise<void>;
  /** Whether the prompt is not needed any more. */
  isOver: () => boolean;
}

/** `known`: whether the prompt was on record. `outcome`: why the turn fails; absent where the turn was over. */
export type SendResult = { sent: true; known: boolean } | { sent: false; outcome: TurnOutcome | undefined };

/**
 * Sends a turn's prompt, after a transient failure again. At most once: where it may have been sent before, it is sent
 * only if it is not on record; OpenCode also runs a message id only once.
 */
export async function sendPrompt(request: PromptRequest, options: SendOptions): Promise<SendResult> {
  const { api, stream, emit, logger, perhapsSent, catchUp, isOver } = options;
  for (let failures = 0; !isOver(); failures += 1) {
    const asks = perhapsSent || failures > 0;
    try {
      if (asks) await stream.ready();
      await catchUp();
      const known = asks && (await isOnRecord(api, request));
      if (!known && !isOver()) await api.prompt(request);
      return { sent: true, known };
    } catch (thrown) {
      if (!isTransient(thrown)) return { sent: false, outcome: failed(thrown) };
      logger.warn({ err: messageOf(thrown) }, 'a prompt did not reach OpenCode; trying again');
      if (failures === SILENT_FAILURES) emit(notReadyWarning(thrown, undefined));
      await sleep(RESEND_MS, undefined, { ref: false });
    }
  }
  return { sent: false, outcome: undefined };
}

/** OpenCode stores a message first and its text after that, and may die in between: then it has to be sent again. */
async function isOnRecord(api: OpenCodeApi, { sessionId, messageId }: PromptRequest): Promise<boolean> {
  const [prompt] = await api.messagesFrom(sessionId, messageId);
  return prompt?.parts.some(({ type }) => type === 'text') ?? false;
}
