import { quote } from '../../errors.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import type { ActiveTurn } from './active-turn.ts';
import type { OpenCodeApi } from './api.ts';

/** Names that are told of many. */
const NAMES_LIMIT = 5;

export interface SlowStartOptions {
  directory: string;
  limits: { stallMs: number };
  api: OpenCodeApi;
  emit: (...events: TaskEventBody[]) => void;
}

/** Says, once in a run, what OpenCode may be waiting for before it asks the model: MCP servers that start slowly. */
export class SlowStart {
  readonly #options: SlowStartOptions;
  readonly #silent = new WeakSet<ActiveTurn>();
  #told = false;

  constructor(options: SlowStartOptions) {
    this.#options = options;
  }

  /** Called while nothing is heard; says something the second time. */
  async look(turn: ActiveTurn): Promise<void> {
    const { api, directory, emit, limits } = this.#options;
    if (this.#told || !turn.state.started || turn.state.reached) return;
    if (!this.#silent.has(turn)) return void this.#silent.add(turn);
    this.#told = true;
    const servers = await api.mcpServers(directory).catch(() => []);
    if (servers.length === 0 || turn.settled || turn.state.reached) return;
    const shown = servers.slice(0, NAMES_LIMIT).map(({ name }) => quote(name));
    const names = [...shown, ...(servers.length > NAMES_LIMIT ? ['…'] : [])].join(', ');
    const limit = `${limits.stallMs / 1000} s (STALL_TIMEOUT_MS)`;
    const message = `Nothing has come from the model yet. OpenCode may still be starting the MCP servers of its configuration (${names}); the task waits for up to ${limit}.`;
    emit({ kind: 'warning', code: 'ENGINE_STARTING', message });
  }
}
