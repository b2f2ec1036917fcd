import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/cli/demo/scripted-model/chat.ts';
import { chooseStep } from '../../src/cli/demo/scripted-model/choice.ts';
import { findScript, type Rule, ScriptError, scriptText } from '../../src/cli/demo/scripted-model/script.ts';

const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content });
const assistant: ChatMessage = { role: 'assistant', content: 'earlier' };
const tool: ChatMessage = { role: 'tool', content: 'output' };
const rules: Rule[] = [{ when: 'Fix the BUG', steps: [{ text: 'by rule' }] }];
const step = (...messages: ChatMessage[]) => chooseStep(messages, rules).step;

describe('findScript', () => {
  it('finds a script anywhere in the text', () => {
    expect(findScript('please <<[{"text":"hi"}]>> thanks')).toEqual([{ text: 'hi' }]);
    expect(findScript('no << [script] >> here')).toBeUndefined();
  });

  it('reads past brackets, quotes and whole scripts inside strings', () => {
    const inner = scriptText([{ text: 'a "]>>" b \\ [' }]);
    const outer = [{ tools: [{ name: 'task', args: { prompt: `do ${inner} now` } }] }, { text: 'end' }];
    const found = findScript(`x ${scriptText(outer)} y`);
    expect(found).toEqual(outer);
    expect(findScript(String(found?.[0]?.tools?.[0]?.args.prompt))).toEqual([{ text: 'a "]>>" b \\ [' }]);
  });

  it('takes the last of several scripts', () => {
    expect(findScript(`${scriptText([{ text: 'one' }])} and ${scriptText([{ text: 'two' }])}`)).toEqual([
      { text: 'two' },
    ]);
  });

  it.each([
    ['unfinished', '<<[{"text":"a"}', /does not end/],
    ['no closing mark', '<<[{"text":"a"}] >', /does not end/],
    ['not JSON', '<<[{text:1}]>>', /is not JSON/],
    ['an unknown field', '<<[{"txt":"a"}]>>', /txt/],
  ])('refuses a script that is %s', (_name, text, message) => {
    expect(() => findScript(text)).toThrow(ScriptError);
    expect(() => findScript(text)).toThrow(message);
  });
});

describe('chooseStep', () => {
  const script = user(scriptText([{ text: 'zero' }, { text: 'one' }]));

  it('counts the assistant messages after the script', () => {
    expect(step(assistant, script)).toEqual({ text: 'zero' });
    expect(step(assistant, script, assistant, tool)).toEqual({ text: 'one' });
    expect(step(script, assistant, tool, assistant, tool)).toEqual({ text: 'Done.' });
  });

  it('reads a script from any text part and ignores reminder parts', () => {
    const reminder = { type: 'text', text: '<system-reminder>fix the bug</system-reminder>' };
    const part = { type: 'text', text: scriptText([{ text: 'from part' }]) };
    expect(step(user([{ type: 'text', text: 'first' }, part, reminder]))).toEqual({ text: 'from part' });
    expect(step(user([{ type: 'text', text: 'hello' }, reminder]))).toEqual({ text: 'Done.' });
  });

  it('falls back to the rules, then to Done.', () => {
    expect(step(user('please fix the bug in a.ts'))).toEqual({ text: 'by rule' });
    expect(step(user('something else'))).toEqual({ text: 'Done.' });
  });

  it('answers a newer message without a script by its rule or by repeating it', () => {
    expect(step(script, assistant, user('now fix the bug'))).toEqual({ text: 'by rule' });
    expect(step(script, assistant, user('x'.repeat(300)))).toEqual({
      text: `Understood: ${'x'.repeat(200)}`,
    });
    expect(step(script, user('hello'), assistant)).toEqual({ text: 'Done.' });
  });

  it.each([
    ['a title generator', 'Scripted title', true],
    ['a context summarization agent', 'Scripted summary', false],
  ])('answers %s whatever the conversation holds', (agent, text, title) => {
    const system = { role: 'system', content: `You are ${agent}. Rules follow.` };
    expect(chooseStep([system, script], rules)).toMatchObject({ step: { text }, title });
  });

  it('names a step differently at another place of the conversation', () => {
    const first = chooseStep([script], []).key;
    expect(chooseStep([script, assistant], []).key).not.toBe(first);
    expect(chooseStep([script, assistant, script], []).key).not.toBe(first);
  });
});
