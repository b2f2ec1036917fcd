import { basename, dirname, join } from 'node:path';
import type { BuildOptions, Metafile } from 'esbuild';

/** A file of the page: its name has a hash of its content. */
export interface Asset {
  name: string;
  content: Uint8Array;
}

/** The names of the assets that the HTML refers to. */
export interface Entry {
  script: string;
  style: string;
  icon: string;
  /** The scripts that `script` imports. */
  preload: readonly string[];
}

/** The page, ready to be served. */
export interface Bundle {
  entry: Entry;
  assets: readonly Asset[];
}

const OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  // What browsers of the last two years run.
  target: 'es2022',
  minify: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  // The same bundle, whatever tsconfig.json is around.
  tsconfigRaw: {},
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  loader: { '.svg': 'file' },
  logLevel: 'silent',
  write: false,
  metafile: true,
} satisfies BuildOptions;

let running = 0;

/** A bundle that was just made. */
interface FreshBundle extends Bundle {
  /** The absolute paths of the files that went into it. */
  inputs: readonly string[];
}

/** Bundles the page from its sources. Throws where esbuild is not installed. */
export async function bundlePage(entryPoint: string): Promise<FreshBundle> {
  const { build, stop } = await import('esbuild');
  const folder = dirname(entryPoint);
  running += 1;
  try {
    const { outputFiles, metafile } = await build({
      ...OPTIONS,
      // The hashes in the names depend on relative paths.
      absWorkingDir: folder,
      entryPoints: [entryPoint],
      outdir: '/assets',
    });
    const assets = outputFiles.map(({ path, contents }) => ({ name: nameOf(path), content: contents }));
    const inputs = Object.keys(metafile.inputs).map((path) => join(folder, path));
    return { entry: entryOf(metafile, basename(entryPoint), assets), assets, inputs };
  } finally {
    running -= 1;
    // Its process, which all builds share, would stay as long as this one.
    if (running === 0) await stop();
  }
}

function entryOf({ outputs }: Metafile, entryPoint: string, assets: readonly Asset[]): Entry {
  // What is loaded later is an entry point of esbuild too.
  const [path = '', output] = Object.entries(outputs).find(([, it]) => it.entryPoint === entryPoint) ?? [];
  const imports = output?.imports.filter(({ kind }) => kind === 'import-statement') ?? [];
  return {
    script: nameOf(path),
    style: nameOf(output?.cssBundle ?? ''),
    icon: assets.find(({ name }) => /^icon-\w+\.svg$/.test(name))?.name ?? '',
    preload: imports.map((it) => nameOf(it.path)),
  };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
