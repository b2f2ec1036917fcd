import { type Config, ConfigError, loadConfig } from '../config/config.ts';
import { BridgeError, messageOf, printable } from '../errors.ts';
import { createLogger, type Logger } from '../logger.ts';

/** Exit codes that operators can rely on. */
export const EXIT = { ok: 0, failed: 1, configuration: 2, dataDirUnusable: 3, dataDirInUse: 4 } as const;

/** Reads the configuration. Throws ConfigError, for which the program exits with 2. */
export function configured(): { config: Config; logger: Logger } {
  const config = loadConfig();
  return { config, logger: createLogger(config.logLevel, config.projectId) };
}

/** Prints on stderr why the program ends, and returns its exit code. */
export function explain(thrown: unknown): number {
  const print = (text: string): boolean => process.stderr.write(`${printable(text)}\n`);
  print(messageOf(thrown));
  if (thrown instanceof ConfigError) return EXIT.configuration;
  if (!(thrown instanceof BridgeError)) {
    if (thrown instanceof Error && thrown.stack) print(thrown.stack);
    return EXIT.failed;
  }
  if (thrown.next) print(thrown.next);
  if (thrown.code === 'DATA_DIR_IN_USE') return EXIT.dataDirInUse;
  if (thrown.code === 'DATA_DIR_UNUSABLE') return EXIT.dataDirUnusable;
  return thrown.code === 'UNSUPPORTED' || thrown.code === 'INVALID_INPUT' ? EXIT.configuration : EXIT.failed;
}

/**
 * Resolves when the process is to stop: at SIGTERM, SIGINT or `gone`, with its name. A signal after that
 * ends the process at once.
 */
export function stopSignal(gone?: Promise<string>): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (why: string): void => {
      asked = true;
      resolve(why);
    };
    gone?.then(ask);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => (asked ? process.exit(EXIT.failed) : ask(signal)));
    }
  });
}
