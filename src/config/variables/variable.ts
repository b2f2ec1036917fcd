import type { z } from 'zod';

type Group =
  | 'Bridge'
  | 'OpenCode server mode'
  | 'Docker mode'
  | 'Reproducible engine'
  | 'Provider keys'
  | 'Tasks'
  | 'Commands of tasks'
  | 'Workspace'
  | 'Delivery'
  | 'Letta'
  | 'Matrix'
  | 'Webhooks'
  | 'Security'
  | 'Logs'
  | 'Traces';

interface Definition<S extends z.ZodType> {
  schema: S;
  /** As it would be written into the environment; absent: not set. */
  default?: string;
  /** Shown in place of a default that depends on the machine. */
  shown?: string;
  /** Another name that is read too. */
  alias?: string;
  /** If the alias has another unit: the text that the variable itself would have. */
  fromAlias?: (text: string) => string;
  about: string;
}

/** How one environment variable is read, what it defaults to, and what it does. */
export interface Variable<T = unknown> extends Definition<z.ZodType<T>> {
  group: Group;
}

/** The values of a table of variables. */
export type ValuesOf<V> = { [N in keyof V]: V[N] extends Variable<infer T> ? T : never };

/** Defines variables of one group. One without a default may be undefined. */
export function variablesOf(group: Group) {
  function variable<S extends z.ZodType>(
    definition: Definition<S> & { default: string },
  ): Variable<z.output<S>>;
  function variable<S extends z.ZodType>(definition: Definition<S>): Variable<z.output<S> | undefined>;
  function variable(definition: Definition<z.ZodType>): Variable {
    const { schema } = definition;
    return { ...definition, schema: definition.default === undefined ? schema.optional() : schema, group };
  }
  return variable;
}
