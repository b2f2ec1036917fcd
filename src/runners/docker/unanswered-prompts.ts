import type { SentPrompt } from '../sent-prompts.ts';
import type { SessionState } from './session-folder.ts';

/**
 * The prompts, oldest first, that no run in this session has answered: a container died before OpenCode saved the
 * session, so the next prompt has to repeat them.
 */
export function unansweredPrompts(
  prompts: readonly SentPrompt[],
  state: SessionState | undefined,
): SentPrompt[] {
  if (state && state.prompt === undefined) return [];
  return prompts.slice(prompts.findLastIndex(({ id }) => id === state?.prompt) + 1);
}
