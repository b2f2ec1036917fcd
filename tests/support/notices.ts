import { once } from 'node:events';
import type { SessionNotice, SessionNoticeSink } from '../../src/session-notice.ts';

/** Remembers what it is told, or does what the test wants instead. */
export class RecordingNotices implements SessionNoticeSink {
  readonly told: SessionNotice[] = [];
  /** Called before a notice counts as told. */
  before: (notice: SessionNotice, signal: AbortSignal) => unknown = () => undefined;
  readonly #news = new EventTarget();

  async notify(notice: SessionNotice, signal: AbortSignal): Promise<void> {
    await this.before(notice, signal);
    signal.throwIfAborted();
    this.told.push(notice);
    this.#news.dispatchEvent(new Event('told'));
  }

  of(sessionId: string): SessionNotice[] {
    return this.told.filter((notice) => notice.sessionId === sessionId);
  }

  /** Resolves when there are so many notices of the session. */
  async untilTold(sessionId: string, count: number): Promise<void> {
    while (this.of(sessionId).length < count) await once(this.#news, 'told');
  }
}
