import { message } from '../../matrix/content.ts';
import type { RateLimitedSender } from '../../matrix/rate-limited-sender.ts';
import { bold, code, lines, quoted, type Rich, rich } from '../../matrix/rich.ts';
import type { SessionNotice, SessionNoticeSink } from '../../session-notice.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import { cut } from '../../text.ts';
import type { Rooms } from './rooms.ts';

const TITLE_LIMIT = 200;
const TEXT_LIMIT = 2_000;
const FILES_LIMIT = 20;

/** Reports sessions that are not tasks in the shared room. */
export class SessionNotices implements SessionNoticeSink {
  readonly #rooms: Rooms;
  readonly #sender: RateLimitedSender;

  constructor(rooms: Rooms, sender: RateLimitedSender) {
    this.#rooms = rooms;
    this.#sender = sender;
  }

  /** Sends a notice; a repeat has no effect. Rejects if the room cannot be reached before `signal` aborts. */
  async notify(notice: SessionNotice, signal: AbortSignal): Promise<void> {
    const { roomId } = await this.#rooms.shared(signal);
    await this.#rooms.requireUnencrypted(roomId, signal);
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
    rich`${kind === 'idle' ? 'is idle' : 'failed'} · ${code(sessionId)}`,
    directory !== undefined && rich`Where: ${code(oneLine(directory, TITLE_LIMIT))}`,
    text !== undefined && text !== '' && quoted(cut(text, TEXT_LIMIT)),
    ...shown.map((path) => rich`• ${code(oneLine(path, TITLE_LIMIT))}`),
    more > 0 && rich`and ${more} more files`,
  );
}
