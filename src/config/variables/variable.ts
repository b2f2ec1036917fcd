import type { z } from 'zod';

/** How one environment variable is read, what it defaults to, and what it does. */
interface Variable<S extends z.ZodType = z.ZodType> {
  schema: S;
  /** As it would be written into the environment; absent: not set. */
  default?: string;
  /** Shown in place of a default that depends on the machine. */
  shown?: string;
  group:
    | 'Bridge'
    | 'OpenCode server mode'
    | 'Docker mode'
    | 'Reproducible engine'
    | 'Tasks'
    | 'Commands of tasks'
    | 'Workspace'
    | 'Delivery'
    | 'Letta'
    | 'Matrix'
    | 'Security'
    | 'Logs';
  about: string;
}

type Group = Variable['group'];

/** Defines variables of one group. */
export const variablesOf =
  (group: Group) =>
  <S extends z.ZodType>(definition: Omit<Variable<S>, 'group'>): Variable<S> => ({ ...definition, group });
