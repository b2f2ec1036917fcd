import { BridgeError } from '../../errors.ts';
import type { RunnerAnswer } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import type { OpenRequests } from './open-requests.ts';

interface Target {
  directory: string;
  api: OpenCodeApi;
}

/** Sends an answer to OpenCode; throws REQUEST_CLOSED where OpenCode has no such request any more. */
export async function sendAnswer(
  { api, directory }: Target,
  id: string,
  answer: RunnerAnswer,
): Promise<void> {
  try {
    if (answer.type === 'question') await api.replyQuestion(id, directory, answer.answers);
    else await api.replyPermission(id, directory, answer.reply, answer.message);
  } catch (thrown) {
    if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_NOT_FOUND')) throw thrown;
    const message = `Request "${id}" is no longer open in OpenCode.`;
    throw new BridgeError('REQUEST_CLOSED', message, { cause: thrown });
  }
}

/**
 * Rejects the requests of what was aborted, also those without an event: OpenCode itself would keep them
 * forever. `onRejecting` gets their ids before they are sent.
 */
export async function rejectAll(
  { api, directory }: Target,
  known: OpenRequests['open'],
  isOurs: (sessionId: string) => boolean,
  onRejecting: (ids: string[]) => void,
): Promise<void> {
  const open = new Map(known);
  const [permissions, questions] = await Promise.all([
    api.permissions(directory).catch(() => []),
    api.questions(directory).catch(() => []),
  ]);
  for (const { id, sessionID } of permissions) if (isOurs(sessionID)) open.set(id, 'permission');
  for (const { id, sessionID } of questions) if (isOurs(sessionID)) open.set(id, 'question');
  onRejecting([...open.keys()]);
  await Promise.allSettled(
    [...open].map(([id, type]) =>
      type === 'question' ? api.rejectQuestion(id, directory) : api.replyPermission(id, directory, 'reject'),
    ),
  );
}
