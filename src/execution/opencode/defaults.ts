import type { OpenCodeApi } from './api.ts';

const LIFETIME_MS = 60_000;

/** `model` as provider/model. */
export interface PromptDefaults {
  model?: string | undefined;
  agent?: string | undefined;
}

/**
 * The model and agent that OpenCode is configured for. A folder just made has no configuration of its own,
 * so one answer serves all such folders for a minute; asking each would slow the start of each.
 */
export class Defaults {
  readonly #api: OpenCodeApi;
  readonly #now: () => number;
  #shared: { until: number; answer: Promise<PromptDefaults> } | undefined;

  constructor(api: OpenCodeApi, now: () => number) {
    this.#api = api;
    this.#now = now;
  }

  of(directory: string, justMade: boolean): Promise<PromptDefaults> {
    if (!justMade) return this.#api.defaults(directory);
    if (this.#shared && this.#shared.until > this.#now()) return this.#shared.answer;
    const answer = this.#api.defaults(directory);
    this.#shared = { until: this.#now() + LIFETIME_MS, answer };
    answer.catch(() => {
      this.#shared = undefined;
    });
    return answer;
  }
}
