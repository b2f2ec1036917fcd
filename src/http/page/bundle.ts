import type { BuildOptions } from 'esbuild';

/** A file of the page: its name has a hash of its content. */
export interface Asset {
  name: string;
  content: Uint8Array;
}

/** The page, ready to be served: `script`, `style` and `icon` are the assets that the HTML names. */
export interface Bundle {
  script: string;
  style: string;
  icon: string;
  assets: readonly Asset[];
}

/** What a browser of the last two years runs. */
const OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  loader: { '.svg': 'file' },
  logLevel: 'silent',
} satisfies BuildOptions;

/** Bundles the page from its sources. Throws where esbuild is not installed. */
export async function bundlePage(entry: string): Promise<Bundle> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({ ...OPTIONS, entryPoints: [entry], outdir: '/assets', write: false });
  const assets = outputFiles.map(({ path, contents }) => ({
    name: path.slice(path.lastIndexOf('/') + 1),
    content: contents,
  }));
  const named = (pattern: RegExp): string => assets.find(({ name }) => pattern.test(name))?.name ?? '';
  return {
    script: named(/^main-\w+\.js$/),
    style: named(/^main-\w+\.css$/),
    icon: named(/^icon-\w+\.svg$/),
    assets,
  };
}
