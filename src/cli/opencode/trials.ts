import type { Config } from '../../config/config.ts';
import { BridgeError } from '../../errors.ts';
import { createLogger } from '../../logger.ts';
import { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import type { Endpoint } from '../../runners/opencode-server/endpoint.ts';
import { EventStream } from '../../runners/opencode-server/event-stream.ts';
import { runTrial, type Step } from './trial-session.ts';

export interface TrialsOptions {
  endpoint: Endpoint;
  /** `provider/model`; absent: OPENCODE_MODEL, then what the server is configured for. */
  model: string | undefined;
  /** Milliseconds that one session may take. */
  timeout: number;
  /** Stops the sessions that run. */
  stop: AbortSignal;
}

/** Trial sessions on one server, which share an event stream. */
export class Trials {
  readonly #options: TrialsOptions & { root: string; agent: string | undefined };
  readonly #api: OpenCodeApi;
  readonly #stream: EventStream;

  constructor({ openCode, engine }: Config, options: TrialsOptions) {
    const { endpoint, model = openCode.model } = options;
    this.#options = { ...options, model, root: engine.root, agent: openCode.agent };
    this.#api = new OpenCodeApi(endpoint);
    this.#stream = new EventStream(endpoint, createLogger('error'));
  }

  /** Runs one session; throws what went wrong, also where it takes too long. */
  async run(step: Step, overApi: boolean): Promise<void> {
    const { root, model, agent, timeout, stop } = this.#options;
    const late = new AbortController();
    const text = `it did not end within ${timeout / 1000} s`;
    const timer = setTimeout(() => late.abort(new BridgeError('ENGINE_ERROR', text)), timeout);
    const signal = AbortSignal.any([late.signal, stop]);
    try {
      const [api, stream] = [this.#api, this.#stream];
      await runTrial({ api, stream, root, model, agent, signal, step, overApi });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#stream.close();
  }
}
