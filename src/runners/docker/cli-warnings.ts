import type { TaskEventBody } from '../../tasks/events.ts';
import { head } from '../../text.ts';
import type { EventDeduplicator } from './event-deduplicator.ts';
import type { RunReport } from './run-report.ts';

/** Characters of a plain line that a warning shows. */
const MAX_LINE_TEXT = 500;
/** Plain lines that become warnings, and rejected permissions that do. */
const MAX_WARNINGS = 20;

const UNKNOWN_AGENT = /^! +agent "(.*)" not found/;
const AUTO_REJECTED = /^! +permission requested: (.*); auto-rejecting/;

/** The lines of the OpenCode CLI that are not JSON, as a bounded number of warnings. */
export class CliWarnings {
  readonly #events: EventDeduplicator;
  #outputWarnings = 0;
  #rejectionWarnings = 0;

  constructor(events: EventDeduplicator) {
    this.#events = events;
  }

  /** Enters what the line reports into the report; returns its warnings. */
  read(text: string, report: RunReport): TaskEventBody[] {
    const line = head(text, MAX_LINE_TEXT);
    report.lastPlainLine = line;
    report.unknownAgent ??= UNKNOWN_AGENT.exec(text)?.[1];
    const permission = AUTO_REJECTED.exec(text)?.[1];
    if (permission !== undefined) return this.#onRejected(head(permission, MAX_LINE_TEXT), report);
    return this.#outputWarnings < MAX_WARNINGS ? this.warn(line) : [];
  }

  warn(message: string): TaskEventBody[] {
    const emitted = this.#events.once({ kind: 'warning', code: 'ENGINE_OUTPUT', message });
    this.#outputWarnings += emitted.length;
    return emitted;
  }

  #onRejected(permission: string, report: RunReport): TaskEventBody[] {
    report.rejectedPermissions = [...report.rejectedPermissions, permission].slice(-MAX_WARNINGS);
    if (this.#rejectionWarnings >= MAX_WARNINGS) return [];
    const message = `Rejected by policy: ${permission}`;
    const emitted = this.#events.once({ kind: 'warning', code: 'PERMISSION_REJECTED', message });
    this.#rejectionWarnings += emitted.length;
    return emitted;
  }
}
