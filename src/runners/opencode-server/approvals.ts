import { matches } from '../opencode-protocol/wildcard.ts';

/** Something that OpenCode allows without asking, because an answer said `always`. */
export interface Approval {
  permission: string;
  pattern: string;
}

/** What the bridge's answers have allowed permanently, by directory of one server. */
export class Approvals {
  readonly #given = new Map<string, readonly Approval[]>();

  add(directory: string, permission: string, patterns: readonly string[]): void {
    const given = this.of(directory);
    const isNew = (pattern: string): boolean =>
      !given.some((one) => one.permission === permission && one.pattern === pattern);
    const added = patterns.filter(isNew).map((pattern) => ({ permission, pattern }));
    this.#given.set(directory, [...given, ...added]);
  }

  of(directory: string): readonly Approval[] {
    return this.#given.get(directory) ?? [];
  }
}

/** Whether the approvals allow all of this, so that OpenCode does not ask for it any more. */
export function cover(
  approvals: readonly Approval[],
  permission: string,
  patterns: readonly string[],
): boolean {
  return patterns.every((pattern) =>
    approvals.some((one) => matches(permission, one.permission) && matches(pattern, one.pattern)),
  );
}
