import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { BridgeError, messageOf } from '../../errors.ts';
import { waitForConnected } from '../../runners/opencode-server/wait-for-connected.ts';
import { EXIT, stopSignal } from '../command.ts';
import { baseUrl, endpointOf, modelName, readOptions, seconds } from './options.ts';
import { inSeconds, print } from './output.ts';
import { Trials } from './trials.ts';

const OPTIONS = z.object({ baseUrl, model: modelName, timeout: seconds(120) });
const CONNECT_LIMIT_MS = 10_000;

/** One session end to end, with the time of each step. */
export async function smoke(config: Config, args: string[]): Promise<number> {
  const { baseUrl: url, model, timeout } = readOptions(args, OPTIONS);
  const endpoint = endpointOf(config, url);
  const stop = new AbortController();
  stopSignal().then((name) => stop.abort(new BridgeError('INVALID_STATE', `received ${name}`)));
  const trials = new Trials(config, { endpoint, model, timeout, stop: stop.signal });
  const began = Date.now();
  try {
    await printed('wait for server.connected', () => waitForConnected(endpoint, CONNECT_LIMIT_MS));
    await trials.run(printed, true);
    print(`smoke passed after ${inSeconds(Date.now() - began)}: ${endpoint.url}`);
    return EXIT.ok;
  } catch (thrown) {
    print(`smoke failed after ${inSeconds(Date.now() - began)}: ${endpoint.url}`);
    if (thrown instanceof BridgeError && thrown.next) print(thrown.next);
    return EXIT.failed;
  } finally {
    trials.close();
  }
}

/** Runs a step and prints its outcome. */
async function printed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  const row = (status: string): string =>
    `${status.padEnd(4)}  ${inSeconds(Date.now() - began).padStart(8)}  ${what}`;
  try {
    const result = await work();
    print(row('ok'));
    return result;
  } catch (thrown) {
    print(`${row('fail')}: ${messageOf(thrown)}`);
    throw thrown;
  }
}
