import type { OpenCodeApi } from './api.ts';

/** A new folder has no configuration of its own, so one answer is valid for all such folders, and longer. */
const FRESH_FOLDERS = '';
const FRESH_LIFETIME_MS = 60_000;
const LIFETIME_MS = 5_000;

/** `model` as provider/model. */
export interface PromptDefaults {
  model?: string | undefined;
  agent?: string | undefined;
}

/** The model and agent in OpenCode's configuration, cached for tasks that start close together. */
export class Defaults {
  readonly #api: OpenCodeApi;
  readonly #now: () => number;
  readonly #known = new Map<string, { until: number; answer: Promise<PromptDefaults> }>();

  constructor(api: OpenCodeApi, now: () => number) {
    this.#api = api;
    this.#now = now;
  }

  of(directory: string, justMade: boolean): Promise<PromptDefaults> {
    const key = justMade ? FRESH_FOLDERS : directory;
    const now = this.#now();
    for (const [name, { until }] of this.#known) if (until <= now) this.#known.delete(name);
    const known = this.#known.get(key);
    if (known) return known.answer;
    const answer = this.#api.defaults(directory);
    this.#known.set(key, { until: now + (justMade ? FRESH_LIFETIME_MS : LIFETIME_MS), answer });
    answer.catch(() => this.#known.delete(key));
    return answer;
  }
}
