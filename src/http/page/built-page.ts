import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Bundle } from './bundle.ts';

/** The file that tells what the others are. */
export const MANIFEST = 'manifest.json';

const manifestSchema = z.object({
  entry: z.object({
    script: z.string(),
    style: z.string(),
    icon: z.string(),
    preload: z.array(z.string()),
  }),
  assets: z.array(z.string()),
});

/** Writes the page into a folder of its own, in place of what is there. */
export async function writePage(folder: string, { entry, assets }: Bundle): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { name, content } of assets) await writeFile(join(folder, name), content);
  const manifest = { entry, assets: assets.map(({ name }) => name) };
  await writeFile(join(folder, MANIFEST), JSON.stringify(manifest));
}

/** Reads a page that `writePage` wrote. */
export async function readPage(folder: string): Promise<Bundle> {
  const { entry, assets } = manifestSchema.parse(JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')));
  const read = async (name: string) => ({ name, content: await readFile(join(folder, name)) });
  return { entry, assets: await Promise.all(assets.map(read)) };
}
