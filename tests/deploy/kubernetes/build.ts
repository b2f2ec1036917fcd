import { spawnSync } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { tempDir } from '../../support/temp.ts';

const SOURCE = join(import.meta.dirname, '../../../docs/deploy/kubernetes');

/** As `openssl rand -base64 32` writes it, with its end of line. */
export const ENCRYPTION_KEY = `${Buffer.alloc(32, 7).toString('base64')}\n`;

/** Why nothing can be built here; undefined where it can. Components need kustomize 5. */
export const absent = /"kustomizeVersion": "v[5-9]/.test(
  spawnSync('kubectl', ['version', '--client', '-o', 'json'], { encoding: 'utf8' }).stdout ?? '',
)
  ? undefined
  : 'there is no kubectl 1.27 or later (Debian 13: kubernetes-client)';

const labels = z.record(z.string(), z.string()).default({});
const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), labels, namespace: z.string().optional() }),
});
export type KubernetesObject = z.infer<typeof objectSchema>;

/** What `kubectl kustomize` makes of a folder; throws with its words where it refuses. */
function kustomize(folder: string): KubernetesObject[] {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => objectSchema.parse(document.toJS()));
}

export interface Overlay {
  name: 'standalone' | 'sidecar';
  /** Of the commented components of standalone. */
  components?: readonly string[];
  /** Values by file of the overlay and name, added to what the files have. */
  values?: Record<string, Record<string, string>>;
}

/** Builds a copy of an overlay as an operator fills it in. */
export async function buildOverlay({ name, components = [], values = {} }: Overlay) {
  await using folder = await tempDir('kubernetes-');
  await cp(SOURCE, folder.path, { recursive: true });
  const overlay = join(folder.path, 'overlays', name);
  for (const [file, lines] of Object.entries(values)) {
    const path = join(overlay, file);
    const added = Object.entries(lines).map(([variable, value]) => `${variable}=${value}\n`);
    const kept = (await readFile(path, 'utf8')).split('\n').filter((line) => !startsWithOne(line, lines));
    await writeFile(path, `${kept.join('\n')}\n${added.join('')}`);
  }
  const file = join(overlay, 'kustomization.yaml');
  let text = await readFile(file, 'utf8');
  const lines = components.map((component) => `  - ../../components/${component}`);
  for (const line of components.length > 0 ? ['components:', ...lines] : [])
    text = text.replace(`# ${line}\n`, `${line}\n`);
  if (components.includes('encryption-key')) {
    text = text.replace('# files:', 'files:');
    await writeFile(join(overlay, 'encryption-key'), ENCRYPTION_KEY);
  }
  await writeFile(file, text);
  return kustomize(overlay);
}

/** As it is in the repository. */
export const buildBase = (): KubernetesObject[] => kustomize(join(SOURCE, 'base'));

const startsWithOne = (line: string, lines: Record<string, string>): boolean =>
  Object.keys(lines).some((variable) => line.startsWith(`${variable}=`));

/** The object of that kind whose name, without the hash, is this one. */
export function find(objects: readonly KubernetesObject[], kind: string, name?: string): KubernetesObject {
  const found = objects.find(
    (object) =>
      object.kind === kind &&
      (name === undefined || object.metadata.name.replace(/-[a-z0-9]{10}$/, '') === name),
  );
  if (!found) throw new Error(`no ${kind} ${name ?? ''}`);
  return found;
}
