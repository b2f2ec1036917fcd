import { spawnSync } from 'node:child_process';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTop } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Compose 2, or docker-compose from 1.29 on; undefined where there is neither. */
export const compose = [['docker', 'compose'], ['docker-compose']].find(
  ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
);

/** Puts compose.yaml and what belongs to it into a folder, with these values filled into compose.env as `.env`. */
export async function fillIn(folder: string, values: Record<string, string>): Promise<void> {
  for (const path of ['compose.yaml', 'docs/deploy'])
    await cp(join(ROOT, path), join(folder, path), { recursive: true });
  const env = readTop('docs/deploy/compose.env').replace(/^([A-Z_]+)=.*$/gm, (line, name: string) =>
    values[name] === undefined ? line : `${name}=${values[name]}`,
  );
  await writeFile(join(folder, '.env'), env);
}
