import { BRIDGE } from './variables/bridge.ts';
import { DELIVERY } from './variables/delivery.ts';
import { DOCKER } from './variables/docker.ts';
import { ENGINE } from './variables/engine.ts';
import { LETTA } from './variables/letta.ts';
import { LOGS } from './variables/logs.ts';
import { MATRIX } from './variables/matrix.ts';
import { OPENCODE_SERVER } from './variables/opencode-server.ts';
import { PROVIDERS } from './variables/providers.ts';
import { SECURITY } from './variables/security.ts';
import { SHELL } from './variables/shell.ts';
import { TASKS } from './variables/tasks.ts';
import { TRACING } from './variables/tracing.ts';
import type { ValuesOf, Variable } from './variables/variable.ts';
import { WEBHOOK } from './variables/webhook.ts';
import { WORKSPACE } from './variables/workspace.ts';

/** Every environment variable the bridge reads, in the order of the documentation. */
export const VARIABLES = {
  ...BRIDGE,
  ...OPENCODE_SERVER,
  ...TASKS,
  ...SHELL,
  ...DOCKER,
  ...ENGINE,
  ...PROVIDERS,
  ...WORKSPACE,
  ...DELIVERY,
  ...LETTA,
  ...MATRIX,
  ...WEBHOOK,
  ...SECURITY,
  ...LOGS,
  ...TRACING,
};

export type Values = ValuesOf<typeof VARIABLES>;

/** Whether the bridge reads a variable, by its name or its alias. */
export function isVariable(name: string): boolean {
  return Object.hasOwn(VARIABLES, name) || ALIASES.has(name);
}

const ALIASES: ReadonlySet<string> = new Set(
  Object.values<Variable>(VARIABLES).flatMap(({ alias }) => alias ?? []),
);
