import { matches } from '../opencode-protocol/wildcard.ts';

/** What was allowed for all times in the directories of one server, by answers of the bridge. */
export class Approvals {
  readonly #given = new Map<string, { permission: string; pattern: string }[]>();

  add(directory: string, permission: string, patterns: readonly string[]): void {
    const given = this.#given.get(directory) ?? [];
    const isNew = (pattern: string): boolean =>
      !given.some((one) => one.permission === permission && one.pattern === pattern);
    const added = patterns.filter(isNew).map((pattern) => ({ permission, pattern }));
    this.#given.set(directory, [...given, ...added]);
  }

  /** Whether they allow all of this, so that OpenCode asks for none of it any more. */
  cover(directory: string, permission: string, patterns: readonly string[]): boolean {
    const given = this.#given.get(directory) ?? [];
    return patterns.every((pattern) =>
      given.some((one) => matches(permission, one.permission) && matches(pattern, one.pattern)),
    );
  }
}
