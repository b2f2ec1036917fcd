import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { waitForConnected } from '../../runners/opencode-server/wait-for-connected.ts';
import { EXIT } from '../command.ts';
import { baseUrl, endpointOf, readOptions, seconds } from './options.ts';
import { inSeconds, print } from './output.ts';

const OPTIONS = z.object({ baseUrl, timeout: seconds(5) });

/** Waits for the first event of the server; throws the reason where it does not come. */
export async function health(config: Config, args: string[]): Promise<number> {
  const options = readOptions(args, OPTIONS);
  const endpoint = endpointOf(config, options.baseUrl);
  const began = Date.now();
  await waitForConnected(endpoint, options.timeout);
  print(`healthy: ${endpoint.url}/event sent server.connected after ${inSeconds(Date.now() - began)}`);
  return EXIT.ok;
}
