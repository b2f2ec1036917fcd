import type { Rule } from './scripted-model/script.ts';

export const TASK = 'Write a small program that prints the prime numbers below 50, and run it.';

const PROGRAM = `const isPrime = (n) => {
  for (let d = 2; d * d <= n; d += 1) if (n % d === 0) return false;
  return n > 1;
};

console.log(Array.from({ length: 50 }, (_, n) => n).filter(isPrime).join(' '));
`;

const todos = (done: number): { todos: object[] } => ({
  todos: ['Write primes.js', 'Run it', 'Report'].map((content, index) => ({
    content,
    status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending',
    priority: 'high',
  })),
});

/** What the model says to the demo's task. */
export const RULES: Rule[] = [
  {
    when: TASK,
    steps: [
      { text: 'I plan the work.', chunks: 4, delayMs: 60, tools: [{ name: 'todowrite', args: todos(0) }] },
      {
        text: 'First the program.',
        chunks: 4,
        delayMs: 60,
        tools: [
          { name: 'write', args: { filePath: 'primes.js', content: PROGRAM } },
          { name: 'todowrite', args: todos(1) },
        ],
      },
      {
        text: 'Now I run it.',
        chunks: 4,
        delayMs: 60,
        tools: [
          { name: 'bash', args: { command: 'node primes.js', description: 'Run the program' } },
          { name: 'todowrite', args: todos(3) },
        ],
      },
      {
        text: 'primes.js prints the 15 prime numbers below 50, from 2 to 47. I ran it and it works.',
        chunks: 10,
        delayMs: 40,
      },
    ],
  },
];
