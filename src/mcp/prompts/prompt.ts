import { z } from 'zod';
import { parseArguments } from '../../api/arguments.ts';
import type { TaskStatus } from '../../tasks/task.ts';
import type { ResourceCaller } from '../resources/resource-caller.ts';

interface PromptDescription {
  name: string;
  title: string;
  description: string;
  /** Which tasks complete its `task_id`; absent: all. */
  completes?: readonly TaskStatus[];
}

/** A prompt as the server sees it: `text` takes unchecked arguments, and throws INVALID_INPUT or TASK_NOT_FOUND. */
export interface Prompt extends PromptDescription {
  arguments: { name: string; description: string; required: boolean }[];
  text(args: Readonly<Record<string, string>>, caller: ResourceCaller): Promise<string>;
}

interface PromptDefinition<S extends z.ZodObject> extends PromptDescription {
  /** Texts with a description; those that are not optional are required. */
  input: S;
  run(input: z.output<S>, caller: ResourceCaller): Promise<string> | string;
}

export function definePrompt<S extends z.ZodObject>({ input, run, ...about }: PromptDefinition<S>): Prompt {
  const shown = Object.entries(input.shape).map(([name, field]) => ({
    name,
    description: z.string().parse(Reflect.get(field, 'description')),
    required: !z.safeParse(field, undefined).success,
  }));
  return {
    ...about,
    arguments: shown,
    text: async (args, caller) => run(parseArguments(about.name, input, withoutEmpty(args)), caller),
  };
}

/** Forms of clients send what a person left out as an empty text. */
function withoutEmpty(args: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value.trim() !== ''));
}
