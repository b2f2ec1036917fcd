import { constants } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { readIfRegular } from '../regular-file.ts';
import { type Rule, rulesForFolder } from './ignore-pattern.ts';
import type { Repository } from './repository.ts';

const MAX_FILE = 1024 * 1024;

/**
 * The ignore rules that hold in a folder though they stand outside of it, as one ignore file of the folder, weakest
 * first as git has them: the user's own, `info/exclude`, and the `.gitignore` of each level above. Where they ignore
 * that folder itself, those that do are left out: who works in it wants to know what became of it.
 */
export async function inheritedRules(
  directory: string,
  repository: Repository | undefined,
  userFile: string | undefined,
): Promise<Buffer> {
  const names = repository ? relative(repository.root, directory).split(sep).filter(Boolean) : [];
  const way = names.map((name) => Buffer.from(name).toString('latin1'));
  const reads = userFile === undefined ? [] : [rulesIn(userFile, way, 0)];
  if (repository) {
    reads.push(rulesIn(join(repository.common, 'info', 'exclude'), way, 0));
    for (const depth of names.keys()) {
      const file = join(repository.root, ...names.slice(0, depth), '.gitignore');
      reads.push(rulesIn(file, way, depth, constants.O_NOFOLLOW)); // git follows no link there either
    }
  }
  const rules = (await Promise.all(reads)).flat();
  const held = isIgnored(rules) ? rules.filter((rule) => rule.negated || rule.matches.length === 0) : rules;
  const lines = held.flatMap(({ patterns }) => patterns.map((line) => `${line}\n`));
  return Buffer.from(lines.join(''), 'latin1');
}

/** Whether git ignores the folder itself, or one above it: at each level the last rule that matches decides. */
function isIgnored(rules: readonly Rule[]): boolean {
  const ignored = new Map<number, boolean>();
  for (const { negated, matches } of rules) for (const depth of matches) ignored.set(depth, !negated);
  return [...ignored.values()].includes(true);
}

/** The rules of the file at that depth of the way. */
async function rulesIn(path: string, way: readonly string[], depth: number, flags = 0): Promise<Rule[]> {
  const file = await readIfRegular(path, MAX_FILE, flags);
  if (file === undefined) return [];
  const rules = rulesForFolder(file.content.toString('latin1'), way.slice(depth));
  return rules.map((rule) => ({ ...rule, matches: rule.matches.map((at) => at + depth) }));
}
