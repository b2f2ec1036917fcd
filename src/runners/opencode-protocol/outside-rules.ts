import { EDIT } from './outside-edits.ts';

/** A rule of OpenCode: the last one that matches a permission and a pattern decides; where none matches, it asks. */
export interface PermissionRule {
  permission: string;
  pattern: string;
  action: 'allow' | 'deny' | 'ask';
}

/** For an agent that may edit nothing; OpenCode hides the tools for edits only where this rule is the last. */
export const NO_EDITS: PermissionRule[] = [rule('*', 'deny')];

/**
 * Rules for a session in a folder below the root of its repository. OpenCode treats the whole repository as inside.
 * With these rules it asks before an edit outside of the folder; in the folder the agent's own rules still apply.
 * `folder` is relative to that root, as OpenCode's patterns for edits are.
 */
export function outsideRules(folder: string, ofAgent: readonly PermissionRule[]): PermissionRule[] {
  const own = ofAgent.filter(({ permission }) => matches(permission, EDIT));
  const last = own.at(-1);
  if (last?.pattern === '*' && last.action === 'deny') return NO_EDITS;
  const prefix = `${folder.replace(/[*?]/g, '?')}/`;
  const inside = own.map(({ pattern, action }) => ({ action, patterns: below(pattern, prefix) }));
  // Subagents inherit only the denials of a session, so a denial for outside must not match inside.
  const denied = own.filter(({ action }, at) => action === 'deny' && inside[at]?.patterns.length === 0);
  return [
    rule('*', 'ask'),
    ...denied.map(({ pattern }) => rule(pattern, 'deny')),
    rule(`${prefix}*`, 'ask'),
    ...inside.flatMap(({ action, patterns }) => patterns.map((pattern) => rule(pattern, action))),
  ];
}

function rule(pattern: string, action: PermissionRule['action']): PermissionRule {
  return { permission: EDIT, pattern, action };
}

function matches(pattern: string, text: string): boolean {
  return placesBehind(pattern, text).some((place) => /^\**$/.test(pattern.slice(place)));
}

/** Patterns for what a pattern matches below a prefix: `*` matches anything, also slashes. */
function below(pattern: string, prefix: string): string[] {
  const places = placesBehind(pattern, prefix).filter((place) => place < pattern.length);
  // The rest from a later "*" on matches everything that the rest from before it does.
  const first = places.findLastIndex((place) => pattern.charAt(place) === '*');
  return places.slice(Math.max(0, first)).map((place) => `${prefix}${pattern.slice(place)}`);
}

/** The positions in a pattern that can be reached by matching the text. */
function placesBehind(pattern: string, text: string): number[] {
  let places = new Set([0]);
  for (const character of text) {
    const next = new Set<number>();
    for (const start of places) {
      let place = start;
      for (; pattern.charAt(place) === '*'; place += 1) next.add(place);
      if (pattern.charAt(place) === character || pattern.charAt(place) === '?') next.add(place + 1);
    }
    places = next;
  }
  return [...places].sort((a, b) => a - b);
}
