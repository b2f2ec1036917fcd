import { join } from 'node:path';
import { build } from 'esbuild';

export const ROOT = join(import.meta.dirname, '..');

/** A command that runs on Node: what of the packages is CommonJS calls `require`, which a module does not have. */
const REQUIRE = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);`;

/**
 * Not in the bundle: OpenCode is a program of its own, the client of Docker reads files beside its modules, and esbuild
 * bundles the page of a checkout. The first two are dependencies of the package. `debug` colours its lines where
 * supports-color happens to be installed; the bundle must not depend on that.
 */
const EXTERNAL = ['opencode-ai', 'dockerode', 'esbuild', 'supports-color'];

const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  // The oldest Node that package.json allows.
  target: 'node22.13',
  // The same bundle, whatever tsconfig.json is around.
  tsconfigRaw: {},
  // Logs and errors name classes.
  keepNames: true,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
} as const;

/**
 * Bundles the program and the packages it uses into `folder`: `index.js`, the parts that it loads when they are needed,
 * and what OpenCode preloads. All lie side by side, whatever folder of `src` they are of.
 * `entryPoints` come in addition, and share the parts. Returns the absolute paths of the files that went into it.
 */
export async function buildProgram(folder: string, entryPoints: readonly string[] = []): Promise<string[]> {
  const { metafile } = await build({
    ...OPTIONS,
    entryPoints: ['src/index.ts', ...entryPoints],
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    splitting: true,
    external: EXTERNAL,
    banner: { js: REQUIRE },
    outdir: folder,
  });
  // In a bundle of its own: it runs inside OpenCode, and must not load the rest there.
  await build({
    ...OPTIONS,
    entryPoints: ['src/runners/opencode-server/engine-preload.ts'],
    outdir: folder,
  });
  return Object.keys(metafile.inputs).map((path) => join(ROOT, path));
}
