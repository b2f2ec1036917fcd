import { message } from '../../matrix/content.ts';
import type { RateLimitedSender } from '../../matrix/rate-limited-sender.ts';
import { bold, code, lines, quoted, type Rich, rich } from '../../matrix/rich.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import { cut } from '../../text.ts';
import type { Rooms } from './rooms.ts';

const TITLE_LIMIT = 200;
const TEXT_LIMIT = 2_000;
const FILES_LIMIT = 20;

/** The end of a turn in a session of OpenCode that is none of the bridge's tasks, such as a person's own. */
export interface SessionNotice {
  /** The same for every repeat of this notice. */
  id: string;
  kind: 'idle' | 'error';
  sessionId: string;
  title?: string | undefined;
  directory?: string | undefined;
  files: readonly string[];
  /** How many more there were. */
  moreFiles?: number | undefined;
  /** The last words of the agent, or the error. */
  text?: string | undefined;
}

/** Tells of sessions that are no tasks, in the room for all. */
export class SessionNotices {
  readonly #rooms: Rooms;
  readonly #sender: RateLimitedSender;

  constructor(rooms: Rooms, sender: RateLimitedSender) {
    this.#rooms = rooms;
    this.#sender = sender;
  }

  /** Tells it, a repeat only once. Rejects where the room cannot be reached, or not before `signal` aborts. */
  async tell(notice: SessionNotice, signal: AbortSignal): Promise<void> {
    const { roomId } = await this.#rooms.shared(signal);
    await this.#rooms.requirePlain(roomId, signal);
    const content = message({ msgtype: 'm.notice', words: wordsOf(notice), mark: undefined });
    await this.#sender.send(
      { roomId, type: 'm.room.message', txnId: `notice-${notice.id}`, content },
      signal,
    );
  }
}

function wordsOf({ kind, sessionId, title, directory, files, moreFiles = 0, text }: SessionNotice): Rich {
  const shown = files.slice(0, FILES_LIMIT);
  const more = files.length - shown.length + moreFiles;
  return lines(
    rich`${kind === 'idle' ? '💤' : '❌'} ${bold(oneLine(title ?? sessionId, TITLE_LIMIT))}`,
    rich`${kind === 'idle' ? 'has come to rest' : 'failed'} · ${code(sessionId)}`,
    directory !== undefined && rich`Where: ${code(oneLine(directory, TITLE_LIMIT))}`,
    text !== undefined && text !== '' && quoted(cut(text, TEXT_LIMIT)),
    ...shown.map((path) => rich`• ${code(oneLine(path, TITLE_LIMIT))}`),
    more > 0 && rich`and ${more} more files`,
  );
}
