import { lstat, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { unbiasedIndex } from './index-file.ts';
import { errorCode, isInside } from './paths.ts';
import { readIfRegular } from './regular-file.ts';

const MAX_TEXT = 1024 * 1024;
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

/** Makes the private repository `shadow` that watches `directory`; tells whether it took over an index. */
export async function makeShadow(
  shadow: string,
  directory: string,
  options: { empty: boolean; home?: string | undefined },
): Promise<{ tookIndex: boolean }> {
  await rm(shadow, { recursive: true, force: true });
  await mkdir(join(shadow, 'objects', 'info'), { recursive: true });
  await Promise.all([mkdir(join(shadow, 'refs')), mkdir(join(shadow, 'info'))]);
  const source = options.empty ? undefined : await findRepository(directory);
  const exclude = await excludes(shadow, directory, source);
  await Promise.all([
    writeFile(join(shadow, 'HEAD'), 'ref: refs/heads/none\n'),
    writeFile(join(shadow, 'config'), CONFIG),
    writeFile(join(shadow, 'info', 'attributes'), ATTRIBUTES),
    writeFile(join(shadow, 'info', 'exclude'), exclude),
    source && writeFile(join(shadow, 'objects', 'info', 'alternates'), `${source.common}/objects\n`),
  ]);
  return { tookIndex: source !== undefined && (await takeIndex(shadow, directory, source, options.home)) };
}

interface Repository {
  /** Where the index is. */
  gitDir: string;
  /** Where objects, configuration and info/ are; differs from `gitDir` in a linked work tree. */
  common: string;
}

async function findRepository(directory: string): Promise<Repository | undefined> {
  const gitDir = await findGitDir(join(directory, '.git'));
  if (gitDir === undefined) return undefined;
  const link = await text(join(gitDir, 'commondir'));
  const common = link === '' ? gitDir : resolve(gitDir, link.trimEnd());
  if (!(await isFolder(join(common, 'objects'))) || common.includes('\n')) return undefined;
  if (/objectformat\s*=\s*sha256/i.test(await text(join(common, 'config')))) return undefined;
  return { gitDir, common };
}

async function findGitDir(dotGit: string): Promise<string | undefined> {
  if (await isFolder(dotGit)) return dotGit;
  const link = /^gitdir: (.+?)\s*$/.exec(await text(dotGit))?.[1];
  return link === undefined ? undefined : resolve(dotGit, '..', link);
}

async function takeIndex(
  shadow: string,
  directory: string,
  source: Repository,
  home: string | undefined,
): Promise<boolean> {
  const index = await readIfRegular(join(source.gitDir, 'index'), MAX_INDEX);
  if (index === undefined) return false;
  const converts = await configConverts(directory, source, home);
  const own = unbiasedIndex(
    index.content,
    (entries) => converts || entries.some(({ path }) => /(^|\/)\.gitattributes$/.test(path)),
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
  const attributes = [join(directory, '.gitattributes'), join(source.common, 'info', 'attributes')];
  const configs = [join(source.common, 'config'), join(source.gitDir, 'config.worktree'), '/etc/gitconfig'];
  if (home !== undefined) configs.push(join(home, '.gitconfig'), join(home, '.config', 'git', 'config'));
  const [set, said] = await Promise.all([Promise.all(attributes.map(text)), Promise.all(configs.map(text))]);
  return set.some((it) => it.trim() !== '') || said.some((it) => /autocrlf|attributesfile|include/i.test(it));
}

async function excludes(shadow: string, directory: string, source?: Repository): Promise<string> {
  const theirs = source === undefined ? '' : await text(join(source.common, 'info', 'exclude'));
  const snapshots = resolve(shadow, '..');
  const self = isInside(directory, snapshots) ? relative(directory, snapshots) : undefined;
  const own = self
    ? `/${self
        .split(sep)
        .join('/')
        .replace(/[\\*?[\] ]/g, '\\$&')}/\n`
    : '';
  return `${EXCLUDES}${theirs}\n${own}`;
}

async function text(path: string): Promise<string> {
  return (await readIfRegular(path, MAX_TEXT))?.content.toString() ?? '';
}

/** Whether the path is a folder itself, not a symlink to one. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
