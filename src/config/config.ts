import { assemble } from './assemble.ts';
import { envFileFaults } from './env-file.ts';
import { environmentFaults } from './environment.ts';
import { type Environment, isComplete, readValues } from './read.ts';
import { validate } from './validate.ts';

/** Everything wrong with the environment, one line for each variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

export type Config = ReturnType<typeof assemble>;

/** Reads the environment: only this folder knows the names of variables. Throws ConfigError with every problem at once. */
export function loadConfig(env: Environment = process.env): Config {
  const { values, problems: unread } = readValues(env);
  const problems = [
    ...(env === process.env ? envFileFaults() : []),
    ...environmentFaults(env),
    ...unread,
    ...validate(values, env),
  ];
  if (problems.length > 0 || !isComplete(values)) throw new ConfigError(problems);
  return assemble(values, env);
}
