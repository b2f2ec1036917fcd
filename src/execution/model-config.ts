import { BridgeError, quote } from '../errors.ts';
import type { Runner } from '../runners/runner.ts';
import type { ModelConfig } from '../tasks/model-config.ts';
import type { Task } from '../tasks/task.ts';
import { inheritedAgent, inheritedModel } from './admission.ts';
import type { CreateTaskInput } from './create-task-input.ts';

/** The settings of a new task: those of the task that it continues, where the caller gives no others. */
export function modelConfigOf(
  { modelConfig }: CreateTaskInput,
  previous: Task | undefined,
): ModelConfig | undefined {
  if (modelConfig === undefined) return previous?.modelConfig;
  return { ...previous?.modelConfig, ...modelConfig };
}

/** Throws INVALID_INPUT or UNSUPPORTED if the new task cannot have its settings. */
export async function requireModelConfig(
  runner: Runner,
  input: CreateTaskInput,
  previous: Task | undefined,
  directory: string,
): Promise<void> {
  const config = modelConfigOf(input, previous);
  if (config === undefined) return;
  requireNoMoreTools(config, previous);
  if (!runner.requireModelConfig) {
    throw new BridgeError('UNSUPPORTED', `Runner ${runner.name} takes no \`model_config\`.`, {
      next: 'Leave model_config out.',
    });
  }
  const model = input.model ?? inheritedModel(previous);
  const agent = input.agent ?? inheritedAgent(previous);
  await runner.requireModelConfig(config, { directory, model, agent });
}

/** The session of the continued task forbids all other tools, and a rule that allows one again could allow too much. */
function requireNoMoreTools({ enabled_tools = [] }: ModelConfig, previous: Task | undefined): void {
  const before = previous?.modelConfig?.enabled_tools;
  const added = before && enabled_tools.find((tool) => !before.includes(tool));
  if (added === undefined) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `\`model_config.enabled_tools\` names ${quote(added)}, which task ${previous?.id} did not have; a task that continues another gets none of the tools back.`,
    { next: 'Leave that tool out, or start a new task in the same `directory`.' },
  );
}
