import { type Script, type Step, scriptText } from '../../src/cli/demo/scripted-model/script.ts';

/** A step of the scripted model that calls one tool. */
export const bash = (command: string, args: { timeout?: number } = {}): Step => ({
  tools: [{ name: 'bash', args: { command, description: 'Run', ...args } }],
});

export const write = (filePath: string, content: string): Step => ({
  tools: [{ name: 'write', args: { filePath, content } }],
});

export const subagent = (steps: Script): Step => ({ tools: [subagentCall(steps)] });

export const subagentCall = (steps: Script) => ({
  name: 'task',
  args: { description: 'A part', prompt: `Do this: ${scriptText(steps)}`, subagent_type: 'general' },
});

export const ask = (question: string, ...labels: string[]): Step => ({
  tools: [
    {
      name: 'question',
      args: {
        questions: [
          { question, header: 'Question', options: labels.map((label) => ({ label, description: label })) },
        ],
      },
    },
  ],
});

/** A text that streams for about `ms`. */
export const slowly = (text: string, ms: number): Step => {
  const chunks = Math.max(2, Math.round(ms / 100));
  return { text: text.repeat(Math.ceil(chunks / text.length) + 1), chunks, delayMs: 100 };
};
