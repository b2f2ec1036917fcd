import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import { failed } from '../opencode-protocol/translate.ts';
import type { ActiveTurn } from './active-turn.ts';
import type { OpenCodeApi, PromptRequest } from './api.ts';
import type { EventStream } from './event-stream.ts';
import { notReady } from './not-ready.ts';

const RESEND_MS = 1_000;
/** After so many failures in a row the task tells what it waits for. */
const FAILURES_UNTOLD = 2;

export interface SendOptions {
  api: OpenCodeApi;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  logger: Logger;
  /** Whether it may have been sent before. */
  perhapsSent: boolean;
  /** Tells what the log does not hold yet, before anything is sent. */
  catchUp: () => Promise<void>;
  isClosed: () => boolean;
}

/**
 * Sends a turn's prompt; after a failure that passes again, unless it is on record: its id is taken once. Of one that
 * may have been sent the records are asked first. Resolves with whether it was on record; undefined where it is not
 * sent, because the turn is settled.
 */
export async function sendPrompt(turn: ActiveTurn, options: SendOptions): Promise<boolean | undefined> {
  const { api, stream, emit, logger, perhapsSent, catchUp, isClosed } = options;
  const isOver = (): boolean => turn.settled || isClosed();
  for (let failures = 0; !isOver(); failures += 1) {
    const asks = perhapsSent || failures > 0;
    try {
      if (asks) await stream.ready();
      await catchUp();
      const known = asks && (await isOnRecord(api, turn.request));
      if (!known && !isOver()) await api.prompt(turn.request);
      return known;
    } catch (thrown) {
      if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_UNAVAILABLE')) {
        turn.settle(failed(thrown));
        return undefined;
      }
      logger.warn({ err: messageOf(thrown) }, 'a prompt did not reach OpenCode; trying again');
      if (failures === FAILURES_UNTOLD) emit(notReady(thrown, undefined));
      await sleep(RESEND_MS, undefined, { ref: false });
    }
  }
  return undefined;
}

/** OpenCode stores a message first and its text after that, and may die in between: then it has to be sent again. */
async function isOnRecord(api: OpenCodeApi, { sessionId, messageId }: PromptRequest): Promise<boolean> {
  const [prompt] = await api.messagesFrom(sessionId, messageId);
  return prompt?.parts.some(({ type }) => type === 'text') ?? false;
}
