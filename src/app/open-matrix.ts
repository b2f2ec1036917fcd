import type { Config } from '../config/config.ts';
import type { Matrix } from './matrix.ts';

/** Matrix, where it is configured. Its modules are loaded only then. */
export async function openMatrix(config: Config['matrix']): Promise<Matrix | undefined> {
  if (!config) return undefined;
  const { Matrix } = await import('./matrix.ts');
  return new Matrix(config);
}
