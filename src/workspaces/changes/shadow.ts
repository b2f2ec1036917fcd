import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { isInside } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';
import { inheritedRules } from './ignore-rules.ts';
import { clearIndexFlags, indexOfFolder } from './index-file.ts';
import { canShareObjects, type Repository, repositoryOf, text } from './repository.ts';

const MAX_INDEX = 512 * 1024 * 1024;

// With this configuration git runs no program, ignores that of the user, and does not convert the bytes of files.
const CONFIG = `[core]
	repositoryformatversion = 0
	bare = false
	filemode = true
	symlinks = true
	ignorecase = false
	precomposeunicode = false
	protectNTFS = false
	protectHFS = false
	autocrlf = false
	quotepath = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	fsmonitor = false
	untrackedCache = false
	looseCompression = 1
	fsync = none
[advice]
	addEmbeddedRepo = false
[diff]
	renames = false
	ignoreSubmodules = all
[gc]
	auto = 0
`;
const ATTRIBUTES = '* -text !eol !crlf !ident !filter !working-tree-encoding !diff !merge\n';
const EXCLUDES = 'node_modules/\n__pycache__/\n.venv/\n';

export interface ShadowOptions {
  /** The folder is known to be empty. */
  empty: boolean;
  home?: string | undefined;
  /** The file with the user's own ignore rules. */
  userIgnores?: string | undefined;
  /** Whether files are read again where git converts their content; default true. */
  rehash?: boolean;
}

/**
 * Creates the private repository `shadow`, whose work tree is `directory`. Copies the index of the user's repository
 * where possible, so that git need not read unchanged files; `copiedIndex` says whether it did.
 */
export async function makeShadow(
  shadow: string,
  directory: string,
  { empty, home, userIgnores, rehash = true }: ShadowOptions,
): Promise<{ copiedIndex: boolean }> {
  await rm(shadow, { recursive: true, force: true });
  await mkdir(join(shadow, 'objects', 'info'), { recursive: true });
  await Promise.all([mkdir(join(shadow, 'refs')), mkdir(join(shadow, 'info'))]);
  const repository = empty ? undefined : await repositoryOf(directory);
  const source = repository && (await canShareObjects(repository)) ? repository : undefined;
  // Copied now, so that a task cannot hide its changes by rules that it writes above its folder.
  const rules = await inheritedRules(directory, repository, userIgnores);
  await Promise.all([
    writeFile(join(shadow, 'HEAD'), 'ref: refs/heads/none\n'),
    writeFile(join(shadow, 'config'), CONFIG),
    writeFile(join(shadow, 'info', 'attributes'), ATTRIBUTES),
    writeFile(join(shadow, 'info', 'exclude'), [EXCLUDES, rules, snapshotsRule(shadow, directory)]),
    source && writeFile(join(shadow, 'objects', 'info', 'alternates'), `${source.common}/objects\n`),
  ]);
  return { copiedIndex: source !== undefined && (await copyIndex(shadow, directory, source, rehash, home)) };
}

async function copyIndex(
  shadow: string,
  directory: string,
  source: Repository,
  rehash: boolean,
  home: string | undefined,
): Promise<boolean> {
  const index = await readIfRegular(join(source.gitDir, 'index'), MAX_INDEX);
  if (index === undefined) return false;
  const converts = rehash && (await convertsContent(directory, source, home));
  const folder = Buffer.from(relative(source.root, directory).split(sep).join('/')).toString('latin1');
  const content = folder === '' ? index.content : indexOfFolder(index.content, folder);
  const own =
    content &&
    clearIndexFlags(
      content,
      (entries) => converts || (rehash && entries.some(({ path }) => /(^|\/)\.gitattributes$/.test(path))),
    );
  if (own === undefined) return false;
  const file = join(shadow, 'index');
  await writeFile(file, own);
  // git trusts the stats of a file only where they are older than the index; rounding down is the safe direction.
  const seconds = Math.floor(index.stats.mtimeMs / 1000);
  await utimes(file, seconds, seconds);
  return true;
}

// Where git converts line endings or applies filters, the ids in its index are not those of the bytes on disk.
async function convertsContent(directory: string, source: Repository, home?: string): Promise<boolean> {
  const attributes = [join(source.common, 'info', 'attributes')];
  for (let level = directory; ; level = dirname(level)) {
    attributes.push(join(level, '.gitattributes'));
    if (level === source.root) break;
  }
  const configs = [join(source.common, 'config'), join(source.gitDir, 'config.worktree'), '/etc/gitconfig'];
  if (home !== undefined) configs.push(join(home, '.gitconfig'), join(home, '.config', 'git', 'config'));
  const [attributeTexts, configTexts] = await Promise.all([
    Promise.all(attributes.map(text)),
    Promise.all(configs.map(text)),
  ]);
  return (
    attributeTexts.some((it) => it.trim() !== '') ||
    configTexts.some((it) => /autocrlf|attributesfile|include/i.test(it))
  );
}

/** The ignore rule for the folder of snapshots, where it lies in the directory. */
function snapshotsRule(shadow: string, directory: string): string {
  const snapshots = resolve(shadow, '..');
  const self = isInside(directory, snapshots) ? relative(directory, snapshots) : '';
  const escaped = self
    .split(sep)
    .join('/')
    .replace(/[\\*?[\] ]/g, '\\$&');
  return self === '' ? '' : `/${escaped}/\n`;
}
