import { type Config, loadConfig } from './config.ts';

/** A configuration from these variables alone, and PATH: nothing of the user's own set-up reaches it. */
export function loadIsolatedConfig(env: Readonly<Record<string, string>>): Config {
  return loadConfig({ PATH: process.env.PATH, ...env });
}
