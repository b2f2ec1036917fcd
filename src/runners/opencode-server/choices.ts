import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import type { RunnerChoices } from '../runner.ts';
import { dataOf } from './api-failure.ts';
import { authorization, type Endpoint } from './endpoint.ts';

/** Somebody waits for a form; a cold instance needs two seconds, under load more. */
const TIMEOUT_MS = 15_000;
const LIFETIME_MS = 30_000;
const MAX_KNOWN = 100;
/** Rows of one list. */
const MAX_ROWS = 2_000;

// What the answers hold besides, such as the keys of the providers, is left behind here.
const providersSchema = z.object({
  providers: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      models: z.record(z.string(), z.object({ name: z.string() })),
    }),
  ),
});
const agentsSchema = z.array(
  z.object({
    name: z.string(),
    description: z.string().nullish(),
    mode: z.enum(['subagent', 'primary', 'all']),
    hidden: z.boolean().nullish(),
  }),
);

/** The models and agents that an OpenCode server lists for a directory, cached for a short while. */
export class Choices {
  readonly #endpoint: Endpoint;
  readonly #client: OpencodeClient;
  readonly #now: () => number;
  readonly #known = new Map<string, { until: number; answer: Promise<RunnerChoices> }>();

  constructor(endpoint: Endpoint, now: () => number) {
    this.#endpoint = endpoint;
    this.#client = createOpencodeClient({ baseUrl: endpoint.url, headers: authorization(endpoint) });
    this.#now = now;
  }

  of(directory: string): Promise<RunnerChoices> {
    const now = this.#now();
    for (const [name, { until }] of this.#known) if (until <= now) this.#known.delete(name);
    const known = this.#known.get(directory);
    if (known) return known.answer;
    const answer = this.#read(directory);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(directory, { until: now + LIFETIME_MS, answer });
    answer.catch(() => this.#known.delete(directory));
    return answer;
  }

  async #read(directory: string): Promise<RunnerChoices> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { url } = this.#endpoint;
    const [providers, agents] = await Promise.all([
      dataOf('providers', url, this.#client.config.providers({ directory }, { signal })),
      dataOf('agents', url, this.#client.app.agents({ directory }, { signal })),
    ]);
    return { models: modelsOf(providers), agents: agentsOf(agents) };
  }
}

function modelsOf(data: unknown): RunnerChoices['models'] {
  const rows = providersSchema.parse(data).providers.flatMap((provider) =>
    Object.entries(provider.models).map(([id, { name }]) => ({
      id: `${provider.id}/${id}`,
      name,
      provider: provider.name,
    })),
  );
  return rows.slice(0, MAX_ROWS);
}

/** Those that a prompt can be for: a subagent works for another agent. */
function agentsOf(data: unknown): RunnerChoices['agents'] {
  const rows = agentsSchema
    .parse(data)
    .filter(({ hidden, mode }) => !hidden && mode !== 'subagent')
    .map(({ name, description }) => ({ name, description: description ?? undefined }));
  return rows.slice(0, MAX_ROWS);
}
