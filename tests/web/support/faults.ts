import type { BrowserContext, ConsoleMessage, Page } from 'playwright-core';

/** Says on the console what the browser refused because of the Content-Security-Policy. */
const REPORT_VIOLATIONS = `addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
  console.error('CSP violation:', violatedDirective, blockedURI, sample));`;

/** What no page may do: errors, CSP violations, dialogs, other windows, and requests to other origins. */
export class Faults {
  readonly #allowed: RegExp[] = [];
  readonly #found: string[] = [];

  static async of(context: BrowserContext, origin: string): Promise<Faults> {
    const faults = new Faults();
    await context.addInitScript(REPORT_VIOLATIONS);
    context.on('page', (page) => faults.#watch(page, origin));
    context.on('request', (request) => faults.#visit(request.url(), origin));
    return faults;
  }

  /** Faults that match are what the test is about, such as an answer of 401. */
  allow(...patterns: RegExp[]): void {
    this.#allowed.push(...patterns);
  }

  /** Those that are not allowed. */
  get found(): string[] {
    return this.#found.filter((fault) => !this.#allowed.some((pattern) => pattern.test(fault)));
  }

  #watch(page: Page, origin: string): void {
    const add = (fault: string): void => void this.#found.push(fault);
    page.on('console', (message) => {
      if (isFault(message)) add(`console: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => add(`error: ${error.stack ?? error.message}`));
    page.on('crash', () => add('the page crashed'));
    page.on('popup', (popup) => add(`another window: ${popup.url()}`));
    page.on('websocket', (socket) => this.#visit(socket.url().replace(/^ws/, 'http'), origin));
    page.on('dialog', (dialog) => {
      add(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  #visit(url: string, origin: string): void {
    // A blob: URL has the origin of the page that made it; data: has none and needs no network.
    const { protocol, origin: asked } = new URL(url);
    if (protocol !== 'data:' && asked !== origin) this.#found.push(`request to another origin: ${url}`);
  }
}

function isFault(message: ConsoleMessage): boolean {
  return message.type() === 'error' || /content.security.policy/i.test(message.text());
}
