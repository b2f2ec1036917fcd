import { BridgeError } from '../../errors.ts';
import type { ModelConfig } from '../../tasks/model-config.ts';
import type { ModelConfigTarget, RunnerChoices } from '../runner.ts';
import { Choices } from './choices.ts';
import type { Defaults } from './defaults.ts';
import type { Endpoint } from './endpoint.ts';
import type { Instances } from './instances.ts';
import { readTools, requireTools } from './tools.ts';
import { untilListening } from './until-listening.ts';

/** Somebody waits for the answer; a cold instance needs two seconds, under load more. */
const TIMEOUT_MS = 15_000;

/** What is asked of the server before a task exists. */
export class Inquiries {
  readonly #endpoint: Endpoint;
  readonly #instances: Instances;
  readonly #defaults: Defaults;
  readonly #choices: Choices;

  constructor(endpoint: Endpoint, instances: Instances, defaults: Defaults, now: () => number) {
    this.#endpoint = endpoint;
    this.#instances = instances;
    this.#defaults = defaults;
    this.#choices = new Choices(endpoint, now);
  }

  choices(directory: string): Promise<RunnerChoices> {
    return this.#inInstance(directory, async () => {
      const [lists, usual] = await Promise.all([
        this.#choices.of(directory),
        this.#defaults.of(directory, false),
      ]);
      return { ...lists, ...usual };
    });
  }

  /** Throws by name for what a task in the directory cannot have. */
  async requireModelConfig(config: ModelConfig, { directory }: ModelConfigTarget): Promise<void> {
    refuseOfServer(config);
    const { enabled_tools: tools } = config;
    if (tools === undefined) return;
    const has = await this.#inInstance(directory, () => readTools(this.#endpoint, directory, TIMEOUT_MS));
    requireTools(tools, has);
  }

  async #inInstance<T>(directory: string, ask: () => Promise<T>): Promise<T> {
    await untilListening(this.#endpoint);
    try {
      await this.#instances.acquire(directory);
      return await ask();
    } finally {
      // To ask starts the directory's instance; on a server of somebody else it may serve others too.
      this.#instances.release(directory, this.#endpoint.process !== undefined);
    }
  }
}

/** What OpenCode has for all sessions of a server alike. A plugin could set it, but delays each start by a minute offline. */
function refuseOfServer({ temperature, max_tokens }: ModelConfig): void {
  if (temperature !== undefined) {
    throw unsupported(
      `\`model_config.temperature\` ${temperature}: an OpenCode server has a temperature only for an agent, not for a task`,
      'Leave temperature out, or name an `agent` that has this temperature in the configuration of OpenCode; Docker mode can set it.',
    );
  }
  if (max_tokens !== undefined) {
    throw unsupported(
      `\`model_config.max_tokens\` ${max_tokens}: an OpenCode server has one limit of output tokens for all tasks`,
      'Leave it out, or limit all tokens of the task with `max_tokens` beside `model_config`; Docker mode can set it.',
    );
  }
}

function unsupported(what: string, next: string): BridgeError {
  return new BridgeError('UNSUPPORTED', `${what}.`, { next });
}
