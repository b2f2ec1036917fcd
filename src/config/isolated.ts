import { type Config, loadConfig } from './config.ts';

/** A configuration from these variables and PATH only, without the user's own variables. */
export function loadIsolatedConfig(env: Readonly<Record<string, string>>): Config {
  return loadConfig({ PATH: process.env.PATH, ...env });
}
