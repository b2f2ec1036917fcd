import { constants } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { readIfRegular } from '../regular-file.ts';
import { type Rule, rulesForFolder } from './ignore-pattern.ts';
import type { Repository } from './repository.ts';

const MAX_FILE = 1024 * 1024;

/**
 * The ignore rules that a folder inherits, as one ignore file of that folder. As in git, the last rule wins: first the
 * user's own, then `info/exclude`, then the `.gitignore` of each level above. Rules that ignore the folder itself are
 * left out: the changes of a task that works in it are wanted.
 */
export async function inheritedRules(
  directory: string,
  repository: Repository | undefined,
  userFile: string | undefined,
): Promise<Buffer> {
  const names = repository ? relative(repository.root, directory).split(sep).filter(Boolean) : [];
  const path = names.map((name) => Buffer.from(name).toString('latin1'));
  const reads = userFile === undefined ? [] : [rulesIn(userFile, path, 0)];
  if (repository) {
    reads.push(rulesIn(join(repository.common, 'info', 'exclude'), path, 0));
    for (const depth of names.keys()) {
      const file = join(repository.root, ...names.slice(0, depth), '.gitignore');
      reads.push(rulesIn(file, path, depth, constants.O_NOFOLLOW)); // as git: no symlinks
    }
  }
  const rules = (await Promise.all(reads)).flat();
  const effective = isIgnored(rules)
    ? rules.filter((rule) => rule.negated || rule.matches.length === 0)
    : rules;
  const lines = effective.flatMap(({ patterns }) => patterns.map((line) => `${line}\n`));
  return Buffer.from(lines.join(''), 'latin1');
}

/** Whether git ignores the folder or one above it: at each level the last matching rule decides. */
function isIgnored(rules: readonly Rule[]): boolean {
  const ignored = new Map<number, boolean>();
  for (const { negated, matches } of rules) for (const depth of matches) ignored.set(depth, !negated);
  return [...ignored.values()].includes(true);
}

/** The rules of an ignore file that lies at this depth of the path. */
async function rulesIn(file: string, path: readonly string[], depth: number, flags = 0): Promise<Rule[]> {
  const read = await readIfRegular(file, MAX_FILE, flags);
  if (read === undefined) return [];
  const rules = rulesForFolder(read.content.toString('latin1'), path.slice(depth));
  return rules.map((rule) => ({ ...rule, matches: rule.matches.map((at) => at + depth) }));
}
