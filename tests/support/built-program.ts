import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache');

/** Where `build-program.ts` puts the program: its `package.json`, and `dist` with its bundle. */
export const BUILT = join(CACHE, 'program');

/** The program as the package has it. */
export const PROGRAM = join(BUILT, 'dist/index.js');

/** Its page. */
export const BUILT_PAGE = join(BUILT, 'dist/web');

/** The program that kills itself at a point, see `crash-entry.ts`. */
export const CRASHING = join(BUILT, 'dist/crash-entry.js');

/** What a container needs that runs the scripted model, see `scripted-model-host.ts`: a mount and a command. */
export const MODEL_IN_CONTAINER = {
  mount: `${BUILT}:/program:ro`,
  command: ['node', '/program/dist/scripted-model-host.js'],
};

/**
 * For bridges that a test starts as a process: Node keeps the compiled code of a bridge that ends by itself, and the
 * next ones need not compile it, which is a good part of the processor time of their start.
 */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(CACHE, 'bridge') } as const;

/**
 * For them too: Node begins with 1 MB for new objects and collects thirty times while a bridge starts, a fifth of the
 * processor time of its start. In 64 MB none is collected.
 */
export const FEW_COLLECTIONS = '--min-semi-space-size=32';
