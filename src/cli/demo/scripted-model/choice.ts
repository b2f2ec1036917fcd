import { type ChatMessage, textOf } from './chat.ts';
import { findScript, type Rule, type Script, type Step } from './script.ts';

/** What the model answers, and why. */
export interface Choice {
  step: Step;
  /** Position of the step in its script: the number of assistant messages since the script's message. */
  index: number;
  title: boolean;
  /** Names the step within one conversation. */
  key: string;
}

const DONE: Step = { text: 'Done.' };
const TITLE_AGENT = 'You are a title generator';
/** Its user message quotes the conversation, scripts included. */
const SUMMARY_AGENT = 'You are a context summarization agent';

/** Chooses the answer to a conversation: the newest script or rule, else `Done.`. */
export function chooseStep(messages: readonly ChatMessage[], rules: readonly Rule[]): Choice {
  if (isFrom(TITLE_AGENT, messages)) return fixed('Scripted title', true);
  if (isFrom(SUMMARY_AGENT, messages)) return fixed('Scripted summary', false);
  const { script, at } = findAnswer(messages, rules);
  const index = messages.slice(at + 1).filter((message) => message.role === 'assistant').length;
  const key = `${at}:${index}:${JSON.stringify(script)}`;
  return { step: script[index] ?? DONE, index, title: false, key };
}

function findAnswer(
  messages: readonly ChatMessage[],
  rules: readonly Rule[],
): { script: Script; at: number } {
  const newest = messages.findLastIndex((message) => message.role === 'user');
  for (let at = newest; at >= 0; at--) {
    const message = messages[at];
    if (message?.role !== 'user') continue;
    const script = scriptFor(textOf(message), rules);
    if (script) return at === newest ? { script, at } : acknowledge(messages, newest);
  }
  return { script: [DONE], at: newest };
}

function scriptFor(text: string, rules: readonly Rule[]): Script | undefined {
  const lower = text.toLowerCase();
  return findScript(text) ?? rules.find((rule) => lower.includes(rule.when.toLowerCase()))?.steps;
}

/** A message without a script after one with a script shows in the answer that it was seen. */
function acknowledge(messages: readonly ChatMessage[], at: number): { script: Script; at: number } {
  const message = messages[at];
  const text = message ? textOf(message).slice(0, 200) : '';
  return { script: [{ text: `Understood: ${text}` }], at };
}

function fixed(text: string, title: boolean): Choice {
  return { step: { text }, index: 0, title, key: text };
}

function isFrom(agent: string, messages: readonly ChatMessage[]): boolean {
  return messages.some((message) => message.role === 'system' && textOf(message).startsWith(agent));
}
