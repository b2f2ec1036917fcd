import { BridgeError, quote } from '../../errors.ts';
import { wellFormed } from '../../text.ts';
import { type Completion, completeTaskId } from '../resources/complete.ts';
import type { ResourceCaller } from '../resources/resource-caller.ts';
import { continueTask } from './continue-task.ts';
import { delegateTask } from './delegate-task.ts';
import type { Prompt } from './prompt.ts';
import { reviewTask } from './review-task.ts';

const PROMPTS: readonly Prompt[] = [delegateTask, reviewTask, continueTask];

/** The prompts as `prompts/list` shows them. */
export function listedPrompts() {
  return PROMPTS.map(({ name, title, description, arguments: args }) => ({
    name,
    title,
    description,
    arguments: args,
  }));
}

/** The messages of a prompt: one, because not every client shows several. */
export async function promptMessages(
  name: string,
  args: Readonly<Record<string, string>>,
  caller: ResourceCaller,
) {
  const prompt = promptNamed(name);
  const text = await prompt.text(args, caller);
  const content = { type: 'text' as const, text };
  return wellFormed({ description: prompt.description, messages: [{ role: 'user' as const, content }] });
}

/** Completes an argument of a prompt; only tasks can be completed. */
export async function completePrompt(
  name: string,
  argument: { name: string; value: string },
  caller: ResourceCaller,
): Promise<Completion> {
  const prompt = promptNamed(name);
  const known = prompt.arguments.some((one) => one.name === argument.name);
  if (!known || argument.name !== 'task_id') return { values: [], hasMore: false };
  return completeTaskId(argument.value, caller, prompt.completes);
}

function promptNamed(name: string): Prompt {
  const prompt = PROMPTS.find((one) => one.name === name);
  if (prompt) return prompt;
  const known = PROMPTS.map((one) => one.name).join(', ');
  throw new BridgeError('INVALID_INPUT', `Unknown prompt ${quote(name)}. Known are: ${known}.`, {
    next: 'Use one of them.',
  });
}
