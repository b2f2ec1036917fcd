import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { engine } from '../../support/docker.ts';
import { find, type KubernetesObject } from './build.ts';
import { quantity, type Volume } from './pod-spec.ts';

/** What kubelet adds for fsGroup: the group may write, and owns what is made below. */
const FS_GROUP_MODE = 0o2775;

/** Makes a volume of a pod on the engine, as kubelet makes it for the group; returns its name there. */
export async function makeVolume(
  volume: Volume,
  group: number,
  prefix: string,
  objects: readonly KubernetesObject[],
): Promise<string> {
  const Name = `${prefix}-${volume.name}`;
  const { emptyDir, secret } = volume;
  if (emptyDir?.medium === 'Memory') {
    const o = `size=${quantity(emptyDir.sizeLimit)},mode=2777,gid=${group}`;
    await engine.api.createVolume({ Name, DriverOpts: { type: 'tmpfs', device: 'tmpfs', o } });
    return Name;
  }
  const path = await folderOf(Name);
  await chown(path, 0, group);
  // Else the set-group-id bit would be lost with the change of owner.
  await chmod(path, emptyDir ? 0o2777 : FS_GROUP_MODE);
  if (volume.persistentVolumeClaim) await mkdir(join(path, 'lost+found'), { mode: 0o700, recursive: true });
  if (secret) {
    const data = secretData(find(objects, 'Secret', secret.secretName.replace(/-[a-z0-9]{10}$/, '')));
    for (const { key, path: file } of secret.items) {
      const target = join(path, file);
      await writeFile(target, data[key] ?? '');
      await chown(target, 0, group);
      await chmod(target, secret.defaultMode);
    }
  }
  return Name;
}

/** Where the engine has a volume, which it makes if there is none. */
export async function folderOf(name: string): Promise<string> {
  await engine.api.createVolume({ Name: name });
  const { Mountpoint } = await engine.api.getVolume(name).inspect();
  return Mountpoint;
}

/** The values of a Secret, decoded. */
export function secretData(secret: KubernetesObject): Record<string, string> {
  const { data } = z.looseObject({ data: z.record(z.string(), z.string()) }).parse(secret);
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}
