import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, subagent } from '../support/steps.ts';

/** What an answer of the scripted model uses. */
const TOKENS = 120;
const COST = 0.00014;
const SIX_ANSWERS = [...Array.from({ length: 5 }, () => bash('true')), { text: 'all done' }];

let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
});
afterAll(() => bridge.close());

describe('a task that uses up more than it may', () => {
  it.each([
    ['tokens', { maxTokens: 2 * TOKENS }, `${3 * TOKENS} tokens of \`max_tokens\` ${2 * TOKENS}`],
    ['money', { maxCostUsd: 2 * COST }, '$0.00042 of `max_cost_usd` 0.00028'],
  ])('is ended over %s, with the figures, and OpenCode is idle', async (_what, limit, figures) => {
    const task = await bridge.run(SIX_ANSWERS, limit);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'BUDGET_EXCEEDED', message: expect.stringContaining(figures) },
    });
    expect(await bridge.busy(task)).toEqual([]);
    expect(bridge.asked(task).length).toBeLessThan(SIX_ANSWERS.length);
  });

  it('is told what subagents used, too', async () => {
    const child = subagent([bash('true'), bash('true'), { text: 'part done' }]);
    const task = await bridge.run([child, bash('true'), { text: 'never said' }], { maxTokens: 3 * TOKENS });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'BUDGET_EXCEEDED' } });
  });

  it('can be gone on with, and a larger limit', async () => {
    const before = await bridge.run(SIX_ANSWERS, { maxTokens: TOKENS });
    expect(before.error?.code).toBe('BUDGET_EXCEEDED');
    const after = await bridge.run([{ text: 'went on' }], { continueTaskId: before.id, maxTokens: TOKENS });
    expect(after).toMatchObject({ status: 'completed', result: { summary: 'went on' } });
  });
});

it('a task within its limits ends as it would; one that names none has the default', async () => {
  const { endpoint, model } = bridge;
  await using frugal = await startBridge({ on: { endpoint, model }, limits: { defaultMaxTokens: TOKENS } });
  expect(await frugal.run(SIX_ANSWERS)).toMatchObject({ error: { code: 'BUDGET_EXCEEDED' } });
  const own = await frugal.run(SIX_ANSWERS, { maxTokens: 6 * TOKENS, maxCostUsd: 1 });
  expect(own).toMatchObject({ status: 'completed', usage: { cost_usd: 0.00084 } });
});

it.each([
  [{ maxTokens: 0 }, '`max_tokens` 0 '],
  [{ maxTokens: 1.5 }, '`max_tokens` 1.5 '],
  [{ maxCostUsd: -1 }, '`max_cost_usd` -1 '],
  [{ maxCostUsd: Number.NaN }, '`max_cost_usd` NaN '],
])('a limit that is none is refused: %j', async (limit, words) => {
  await expect(bridge.start([{ text: 'no' }], limit)).rejects.toThrow(words);
});
