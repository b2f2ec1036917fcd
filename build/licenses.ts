import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const LICENSE = /^(?:licen[cs]e|copying|notice)/i;
const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string().optional(),
  /** What npm has replaced by `license` long ago. */
  licenses: z.array(z.object({ type: z.string() })).default([]),
});

/** The names, versions and license texts of the packages that these files are of, as their licenses ask for. */
export async function licensesOf(files: readonly string[]): Promise<string> {
  const folders = new Set(files.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []));
  const texts = await Promise.all([...folders].sort().map(licenseOf));
  return `The program and its page contain code of these packages.\n\n${texts.join('\n')}`;
}

/** Throws for a package that names no license. */
async function licenseOf(folder: string): Promise<string> {
  const { name, version, license, licenses } = manifestSchema.parse(
    JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')),
  );
  const named = license ?? licenses.map(({ type }) => type).join(' OR ');
  if (!named) throw new Error(`${folder}/package.json names no license`);
  const files = (await readdir(folder)).filter((file) => LICENSE.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return [`${'='.repeat(80)}\n${name} ${version} (${named})\n`, ...texts].join('\n');
}
