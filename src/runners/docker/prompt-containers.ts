import type { TaskEvent } from '../../tasks/events.ts';
import type { ProviderAccess } from '../opencode-protocol/provider-blocks.ts';
import { type SentPrompt, sentPrompts } from '../sent-prompts.ts';
import { type ContainerLimits, type ContainerOptions, containerSpec, LABELS } from './container-spec.ts';
import type { DockerClient } from './docker-client.ts';
import type { SessionFolder, SessionState } from './session-folder.ts';
import { unansweredPrompts } from './unanswered-prompts.ts';

export interface PromptContainersOptions {
  folder: SessionFolder;
  container: Omit<ContainerOptions, 'promptFile' | 'systemPromptFile' | 'session'>;
  limits: ContainerLimits;
  docker: DockerClient;
  /** The providers of models that the container reaches without their keys. */
  providers?: (() => Promise<ProviderAccess>) | undefined;
  /** The task's log when the run was opened. */
  past: readonly TaskEvent[];
  /** The prompts of earlier tasks of the conversation. */
  earlierPrompts: () => SentPrompt[];
}

/** Creates the containers of a task, one for each prompt. */
export class PromptContainers {
  readonly #options: PromptContainersOptions;
  /** Every recorded prompt of the task. */
  readonly #prompts: SentPrompt[];

  constructor(options: PromptContainersOptions) {
    this.#options = options;
    this.#prompts = sentPrompts(options.past);
  }

  /** The names of all containers of the task. */
  async list(): Promise<string[]> {
    const { docker, container } = this.#options;
    const labels = { [LABELS.bridge]: container.bridgeId, [LABELS.task]: container.taskId };
    return (await docker.list(labels)).map(({ name }) => name);
  }

  /**
   * Creates the container of a prompt that is not recorded yet. First removes the task's other containers: one with
   * this name has never run, or its prompt would be recorded.
   */
  async create(name: string, text: string): Promise<void> {
    const { docker, folder, container, limits } = this.#options;
    const providers = await this.#options.providers?.();
    for (const earlier of await this.list()) await docker.remove(earlier);
    const { state } = folder;
    const texts = [...this.#unanswered(state).map((prompt) => prompt.text), text];
    const promptFile = await folder.writePrompt(name, texts.join('\n\n'));
    const system = container.modelConfig?.system_prompt;
    const systemPromptFile = system === undefined ? undefined : await folder.writeSystemPrompt(system);
    const options = { ...container, providers, promptFile, systemPromptFile, session: state?.session };
    await docker.create(name, containerSpec(options, limits));
  }

  onRecorded(prompt: SentPrompt): void {
    this.#prompts.push(prompt);
  }

  #unanswered(state: SessionState | undefined): SentPrompt[] {
    const isOwn = this.#prompts.some(({ id }) => id === state?.prompt);
    const prompts = isOwn ? this.#prompts : [...this.#options.earlierPrompts(), ...this.#prompts];
    return unansweredPrompts(prompts, state);
  }
}
