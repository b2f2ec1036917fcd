import type { Rule } from '../src/cli/demo/scripted-model/script.ts';

export const REPORT_TASK = 'Prices of whole dollars lose their cents. Fix it, run the tests, and push.';

const FIXED = "export function price(cents) {\n  return '$' + (cents / 100).toFixed(2);\n}\n";

/** In colours, as in a terminal. */
const TESTS = 'FORCE_COLOR=1 node --test | grep -E "✔|pass|fail "';

const bash = (command: string) => ({ name: 'bash', args: { command, description: command } });
const usage = { input: 12_400, output: 1_830 };

/** The model of the pictures. */
export function reportRules(): Rule[] {
  const todos = (...statuses: string[]) => ({
    name: 'todowrite',
    args: {
      todos: ['Run the tests', 'Fix price()', 'Run them again', 'Push'].map((content, index) => ({
        content,
        status: statuses[index],
        priority: 'high',
      })),
    },
  });
  return [
    {
      when: REPORT_TASK,
      steps: [
        {
          text: 'I run the tests first, to see what fails.',
          tools: [todos('in_progress', 'pending', 'pending', 'pending')],
        },
        { tools: [bash(TESTS)] },
        {
          text: '`price()` prints `$5` for 500 cents, because dividing drops the zeros. `toFixed(2)` keeps them.',
          tools: [
            { name: 'write', args: { filePath: 'price.js', content: FIXED } },
            todos('completed', 'completed', 'in_progress', 'pending'),
          ],
        },
        { tools: [bash(TESTS)] },
        { tools: [todos('completed', 'completed', 'completed', 'in_progress')], usage },
        { text: 'The test passes. Now I push.', tools: [bash('git push origin main')] },
      ],
    },
    { when: 'Update the dependencies', steps: [{ text: 'All 14 are up to date; 212 tests pass.', usage }] },
    { when: 'Write a changelog', steps: [{ text: 'CHANGELOG.md has the ten commits.', usage }] },
    { when: 'Find out why', steps: [{ text: 'The cache is keyed by date, so it never hits.', usage }] },
  ];
}
