import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { TASK_KEY, taskMark } from '../../src/matrix/events.ts';
import { Person } from '../support/person.ts';
import { until } from './sample.ts';

/** So that they do not write on the disk of the bridge. */
const IN_MEMORY = '/dev/shm';
const HOST = join(import.meta.dirname, 'remote-systems-host.ts');

const toldSchema = z.object({
  homeserver: z.string(),
  agents: z.array(z.string()),
  reader: z.object({ url: z.string(), userId: z.string(), token: z.string() }),
  roomId: z.string(),
  variables: z.record(z.string(), z.string()),
});
const healthSchema = z.object({
  dependencies: z.array(z.object({ name: z.string(), status: z.string(), detail: z.string() })),
});

/** Letta and Matrix, running in a process of their own that yields to everything else on the machine. */
export class RemoteSystems {
  /** What stands for Matrix. */
  readonly homeserver: string;
  readonly agents: readonly string[];
  /** The configuration of a bridge that uses both. */
  readonly variables: Record<string, string>;
  readonly #child: ChildProcess;
  readonly #reader: Person;
  readonly #roomId: string;

  private constructor(
    child: ChildProcess,
    { homeserver, agents, variables, reader, roomId }: z.infer<typeof toldSchema>,
  ) {
    this.homeserver = homeserver;
    this.agents = agents;
    this.variables = variables;
    this.#child = child;
    this.#reader = new Person(reader.url, reader.userId, reader.token);
    this.#roomId = roomId;
  }

  static async start(agents: number): Promise<RemoteSystems> {
    const env = { ...process.env, TMPDIR: existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir() };
    const child = spawn(process.execPath, [HOST, String(agents)], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit').then(() =>
      Promise.reject(new Error('the remote systems did not start')),
    );
    const said = await Promise.race([once(createInterface(child.stdout), 'line'), exited]);
    exited.catch(() => undefined);
    return new RemoteSystems(child, toldSchema.parse(JSON.parse(z.string().parse(said[0]))));
  }

  /** Resolves when both have everything that this bridge has to tell, and no block is left in Letta. */
  async caughtUp(bridgeUrl: string): Promise<void> {
    const isSo = async (): Promise<boolean> => {
      const { dependencies } = healthSchema.parse(await json(`${bridgeUrl}/health`));
      const sinks = dependencies.filter(({ name }) => name === 'letta' || name === 'matrix');
      if (sinks.some(({ status, detail }) => status !== 'ok' || detail !== 'up to date')) return false;
      return z.array(z.unknown()).parse(await this.#letta('/v1/blocks/')).length === 0;
    };
    await until(isSo, 'Letta and Matrix are up to date');
  }

  /** Throws where the end of a task was not reported, or reported twice. */
  async requireAllTold(tasks: number): Promise<void> {
    const messages = await Promise.all(
      this.agents.map((agent) => this.#letta(`/v1/agents/${agent}/messages`)),
    );
    const inLetta = messages.reduce<number>((sum, page) => sum + z.array(z.unknown()).parse(page).length, 0);
    const events = await this.#reader.events(this.#roomId);
    const marks = events.flatMap(({ content }) => taskMark.safeParse(content[TASK_KEY]).data ?? []);
    const inMatrix = marks.filter(({ event_type }) => event_type === 'completed').length;
    if (inLetta === tasks && inMatrix === tasks) return;
    throw new Error(`of ${tasks} tasks, Letta received the end of ${inLetta}, Matrix of ${inMatrix}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
  }

  #letta(path: string): Promise<unknown> {
    return json(`${this.variables.LETTA_API_URL}${path}`);
  }
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}
