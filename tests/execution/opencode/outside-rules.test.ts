import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  NO_EDITS,
  outsideRules,
  type PermissionRule,
} from '../../../src/runners/opencode-protocol/outside-rules.ts';

/** As OpenCode 1.18.33 evaluates rules: the last one that matches, else it asks. */
function decide(rules: readonly PermissionRule[], path: string): string {
  const fits = (pattern: string, text: string): boolean => {
    const escaped = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*/g, '.*')
      .replace(/\?/g, '.');
    return new RegExp(`^${escaped}$`, 's').test(text);
  };
  return rules.findLast((it) => fits(it.permission, 'edit') && fits(it.pattern, path))?.action ?? 'ask';
}

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?', '.'), maxLength: 6 });
const action = fc.constantFrom('allow' as const, 'deny' as const, 'ask' as const);
const permission = fc.constantFrom('*', 'edit', 'e*', '?dit', 'bash');
const agents = fc.array(fc.record({ permission, pattern: fc.oneof(pattern, fc.constant('*')), action }), {
  maxLength: 5,
});
const paths = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.'), minLength: 1, maxLength: 8 });

it('in the folder the rules of the agent decide, outside of it nothing is allowed', () => {
  fc.assert(
    fc.property(agents, fc.constantFrom('a', 'a/b', 'ab'), paths, (agent, folder, path) => {
      const rules = [...agent, ...outsideRules(folder, agent)];
      const inside = `${folder}/${path}`;
      expect(decide(rules, inside)).toBe(decide(agent, inside));
      if (path.startsWith(`${folder}/`)) return;
      expect(decide(rules, path)).not.toBe('allow');
    }),
    { numRuns: 2_000 },
  );
});

it('what is denied outside stays so, and no denial that subagents would have reaches into the folder', () => {
  fc.assert(
    fc.property(agents, fc.constantFrom('a', 'a/b'), paths, (agent, folder, path) => {
      const rules = outsideRules(folder, agent);
      if (rules === NO_EDITS) return;
      const denials = rules.filter(({ action }) => action === 'deny');
      const inherited = decide(
        [{ permission: 'edit', pattern: '*', action: 'allow' }, ...denials],
        `${folder}/${path}`,
      );
      if (inherited === 'deny')
        expect(denials.some(({ pattern }) => pattern.startsWith(`${folder}/`))).toBe(true);
    }),
  );
  const agent: PermissionRule[] = [
    { permission: 'edit', pattern: '*', action: 'allow' },
    { permission: 'edit', pattern: 'secrets/*', action: 'deny' },
  ];
  const rules = [...agent, ...outsideRules('packages/foo', agent)];
  expect([decide(rules, 'secrets/a'), decide(rules, 'README.md'), decide(rules, '../x')]).toEqual([
    'deny',
    'ask',
    'ask',
  ]);
});

it('an agent that may edit nothing has no tools for it', () => {
  const agent: PermissionRule[] = [{ permission: '*', pattern: '*', action: 'deny' }];
  expect(outsideRules('a', agent)).toEqual([{ permission: 'edit', pattern: '*', action: 'deny' }]);
});
