import { once } from 'node:events';
import type { Notices, SessionNotice } from '../../src/http/session-notice.ts';

/** Remembers what it is told, or does what the test wants instead. */
export class RecordingNotices implements Notices {
  readonly told: SessionNotice[] = [];
  /** Called before a notice counts as told. */
  before: (notice: SessionNotice, signal: AbortSignal) => unknown = () => undefined;
  readonly #news = new EventTarget();

  async tell(notice: SessionNotice, signal: AbortSignal): Promise<void> {
    await this.before(notice, signal);
    this.told.push(notice);
    this.#news.dispatchEvent(new Event('told'));
  }

  /** The notice of a session, as soon as it is there. */
  async of(sessionId: string, after = 0): Promise<SessionNotice> {
    for (;;) {
      const notice = this.told.slice(after).find((each) => each.sessionId === sessionId);
      if (notice) return notice;
      await once(this.#news, 'told');
    }
  }
}
