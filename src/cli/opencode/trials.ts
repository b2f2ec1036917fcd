import type { Config } from '../../config/config.ts';
import { BridgeError } from '../../errors.ts';
import { createLogger } from '../../logger.ts';
import { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import { OpenCodeClientManager } from '../../runners/opencode-server/client-manager.ts';
import type { Endpoint } from '../../runners/opencode-server/endpoint.ts';
import { type Step, trySession } from './session.ts';

export interface TrialOptions {
  endpoint: Endpoint;
  /** `provider/model`; absent: OPENCODE_MODEL, then what the server is configured for. */
  model: string | undefined;
  /** Milliseconds that one session may take. */
  timeout: number;
  /** Breaks off what runs. */
  stop: AbortSignal;
}

/** Sessions of one server, by the code with which the bridge runs tasks. */
export class Trials {
  readonly #options: TrialOptions;
  readonly #root: string;
  readonly #api: OpenCodeApi;
  readonly #manager: OpenCodeClientManager;

  constructor({ openCode, engine }: Config, options: TrialOptions) {
    const { endpoint } = options;
    this.#options = options;
    this.#root = engine.root;
    this.#api = new OpenCodeApi(endpoint);
    this.#manager = new OpenCodeClientManager({
      ...openCode,
      asksOutside: false,
      endpoint,
      logger: createLogger('error'),
    });
    this.#manager.start();
  }

  /** One session; throws with what went wrong, also where it takes too long. */
  async run(step: Step, overApi: boolean): Promise<void> {
    const { model, timeout, stop } = this.#options;
    const [api, manager, root] = [this.#api, this.#manager, this.#root];
    const late = new AbortController();
    const text = `it had no end within ${timeout / 1000} s`;
    const timer = setTimeout(() => late.abort(new BridgeError('ENGINE_ERROR', text)), timeout);
    const signal = AbortSignal.any([late.signal, stop]);
    try {
      await trySession({ api, manager, root, model, signal, step, overApi });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    return this.#manager.close();
  }
}
