import { join } from 'node:path';

/**
 * For bridges that a test starts as a process: Node keeps the compiled code of a bridge that ends by itself, and the
 * next ones need not compile it, which is a good part of the processor time of their start.
 */
export const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/bridge'),
} as const;
