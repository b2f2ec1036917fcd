import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { isInside } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';
import { inheritedRules } from './ignore-rules.ts';
import { clearIndexFlags, indexOfFolder } from './index-file.ts';
import { canShareObjects, type Repository, repositoryOf, text } from './repository.ts';

const MAX_INDEX = 512 * 1024 * 1024;

// Nothing here may run a program, follow the user's configuration or convert a file's bytes.
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
  /** Nothing is in the folder yet. */
  empty: boolean;
  home?: string | undefined;
  /** The ignore rules that the user has for all repositories. */
  userIgnores?: string | undefined;
  /** Whether files are read anew where git converts them on their way in; default true. */
  rehash?: boolean;
}

/** Makes the private repository `shadow` that watches `directory`; tells whether it took over an index. */
export async function makeShadow(
  shadow: string,
  directory: string,
  { empty, home, userIgnores, rehash = true }: ShadowOptions,
): Promise<{ tookIndex: boolean }> {
  await rm(shadow, { recursive: true, force: true });
  await mkdir(join(shadow, 'objects', 'info'), { recursive: true });
  await Promise.all([mkdir(join(shadow, 'refs')), mkdir(join(shadow, 'info'))]);
  const repository = empty ? undefined : await repositoryOf(directory);
  const source = repository && (await canShareObjects(repository)) ? repository : undefined;
  // Kept as they are now: what the task writes into rules above its folder hides nothing of what it does.
  const rules = await inheritedRules(directory, repository, userIgnores);
  await Promise.all([
    writeFile(join(shadow, 'HEAD'), 'ref: refs/heads/none\n'),
    writeFile(join(shadow, 'config'), CONFIG),
    writeFile(join(shadow, 'info', 'attributes'), ATTRIBUTES),
    writeFile(join(shadow, 'info', 'exclude'), [EXCLUDES, rules, itself(shadow, directory)]),
    source && writeFile(join(shadow, 'objects', 'info', 'alternates'), `${source.common}/objects\n`),
  ]);
  return { tookIndex: source !== undefined && (await takeIndex(shadow, directory, source, rehash, home)) };
}

async function takeIndex(
  shadow: string,
  directory: string,
  source: Repository,
  rehash: boolean,
  home: string | undefined,
): Promise<boolean> {
  const index = await readIfRegular(join(source.gitDir, 'index'), MAX_INDEX);
  if (index === undefined) return false;
  const converts = rehash && (await configConverts(directory, source, home));
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
  // git trusts a file's times only if they are older than the index's; rounding down errs on the safe side.
  const seconds = Math.floor(index.stats.mtimeMs / 1000);
  await utimes(file, seconds, seconds);
  return true;
}

// If git converts line ends or filters on the way in, the ids in its index are not those of the files' bytes.
async function configConverts(directory: string, source: Repository, home?: string): Promise<boolean> {
  const attributes = [join(source.common, 'info', 'attributes')];
  for (let level = directory; ; level = dirname(level)) {
    attributes.push(join(level, '.gitattributes'));
    if (level === source.root) break;
  }
  const configs = [join(source.common, 'config'), join(source.gitDir, 'config.worktree'), '/etc/gitconfig'];
  if (home !== undefined) configs.push(join(home, '.gitconfig'), join(home, '.config', 'git', 'config'));
  const [set, said] = await Promise.all([Promise.all(attributes.map(text)), Promise.all(configs.map(text))]);
  return set.some((it) => it.trim() !== '') || said.some((it) => /autocrlf|attributesfile|include/i.test(it));
}

/** The rule that keeps the snapshots out of a snapshot of a folder that they lie in. */
function itself(shadow: string, directory: string): string {
  const snapshots = resolve(shadow, '..');
  const self = isInside(directory, snapshots) ? relative(directory, snapshots) : '';
  const escaped = self
    .split(sep)
    .join('/')
    .replace(/[\\*?[\] ]/g, '\\$&');
  return self === '' ? '' : `/${escaped}/\n`;
}
