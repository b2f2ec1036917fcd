import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { Person } from './person.ts';
import { tempDir } from './temp.ts';

const SCRIPT = join(import.meta.dirname, 'synapse');
const HOME = process.env.BRIDGE_TESTS_SYNAPSE ?? '/tmp/letta-opencode-plugin-synapse';
const SECRET = 'tests';
const START_LIMIT_MS = 120_000;
const STOP_GRACE_MS = 20_000;
const AGAIN_MS = 50;

/** A Matrix homeserver of a test, `mx.test`: Synapse or the fake, with the same interface. */
export interface Homeserver {
  readonly url: string;
  /** The person of this name, registered on first use. */
  user(name: string): Promise<Person>;
  /** Stops gracefully; its state is kept. */
  stop(): Promise<void>;
  /** Like `kill -9`. */
  kill(): Promise<void>;
  /** Starts again at the same address, with these limits or the previous ones. */
  start(options?: HomeserverOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HomeserverOptions {
  /** The default limits of Synapse; absent: hardly any limit. */
  rateLimits?: boolean;
}

/** Whether `tests/support/synapse fetch` was run; a test that needs it reports it where it was not. */
export function synapseIsThere(): boolean {
  return existsSync(join(HOME, 'version'));
}

export const SYNAPSE_ABSENT = `no Synapse in ${HOME}: run tests/support/synapse fetch`;

/** Synapse on a free port, with its own state, which is removed with it. */
export async function startSynapse({ rateLimits = false }: HomeserverOptions = {}): Promise<Homeserver> {
  const state = await tempDir('synapse-');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const people = new Map<string, Promise<Person>>();
  let isLimited = rateLimits;
  let child: ChildProcess | undefined;
  const start = async (options: HomeserverOptions = {}): Promise<void> => {
    isLimited = options.rateLimits ?? isLimited;
    child = spawn(SCRIPT, ['run', state.path, `${port}`], {
      env: { PATH: process.env.PATH, BRIDGE_TESTS_SYNAPSE: HOME, RATE_LIMITS: isLimited ? '1' : '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await listening(child, url);
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending) await ended(ending, signal);
  };
  const dispose = async (): Promise<void> => {
    await end('SIGTERM');
    await state.remove();
  };
  try {
    await start();
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
  return {
    url,
    user(name) {
      const person = people.get(name) ?? register(url, name);
      people.set(name, person);
      return person;
    },
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: dispose,
  };
}

async function listening(child: ChildProcess, url: string): Promise<void> {
  const output: string[] = [];
  if (child.stderr) {
    createInterface(child.stderr).on('line', (line) => {
      output.push(line);
      if (output.length > 100) output.shift();
    });
  }
  const until = Date.now() + START_LIMIT_MS;
  const said = () => `its last words: ${output.join('\n')}`;
  while (Date.now() < until) {
    const answer = await fetch(`${url}/_matrix/client/versions`).catch(() => undefined);
    if (answer?.ok) return;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`Synapse exited (${child.exitCode ?? child.signalCode}); ${said()}`);
    }
    await sleep(AGAIN_MS);
  }
  throw new Error(`Synapse did not listen within ${START_LIMIT_MS} ms; ${said()}`);
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await exited;
  clearTimeout(timer);
}

/** Uses the shared secret, as that has no rate limit. */
async function register(url: string, name: string): Promise<Person> {
  const endpoint = `${url}/_synapse/admin/v1/register`;
  const { nonce } = z.object({ nonce: z.string() }).parse(await (await fetch(endpoint)).json());
  const password = randomUUID();
  const mac = createHmac('sha1', SECRET).update([nonce, name, password, 'notadmin'].join('\0')).digest('hex');
  const body = JSON.stringify({ nonce, username: name, password, admin: false, mac });
  const answer = await (await fetch(endpoint, { method: 'POST', body })).json();
  const account = z.object({ user_id: z.string(), access_token: z.string() }).safeParse(answer);
  if (!account.success) throw new Error(`Synapse does not register "${name}": ${JSON.stringify(answer)}`);
  return new Person(url, account.data.user_id, account.data.access_token);
}
