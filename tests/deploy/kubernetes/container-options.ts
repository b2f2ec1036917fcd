import type { ContainerCreateOptions } from 'dockerode';
import { z } from 'zod';
import type { KubernetesObject } from './build.ts';
import { type Container, type PodSpec, quantity } from './pod-spec.ts';
import { secretData } from './volumes.ts';

export interface Placement {
  pod: PodSpec;
  objects: readonly KubernetesObject[];
  /** The container whose network the pod has. */
  sandbox: string;
  /** Volumes of the engine by volume of the pod. */
  volumes: ReadonlyMap<string, string>;
  labels: Record<string, string>;
  /** Images of the engine by image of the pod, without registry and tag; a command where one stands for another. */
  images: Readonly<Record<string, { image: string; command?: string[] }>>;
}

/** What kubelet and the runtime make of a container of a pod, for the engine. */
export function containerOptions(container: Container, place: Placement): ContainerCreateOptions {
  const { securityContext: security, resources } = container;
  const stand = place.images[container.image.replace(/^.*\/|:.*$/g, '')];
  if (!stand) throw new Error(`no image for ${container.image}`);
  const cpu = quantity(resources?.limits.cpu ?? '0');
  return {
    Image: stand.image,
    Env: environment(container, place.objects),
    User: [security.runAsUser, security.runAsGroup].filter((id) => id !== undefined).join(':'),
    // Kubernetes knows no HEALTHCHECK.
    Healthcheck: { Test: ['NONE'] },
    Labels: { ...place.labels, container: container.name },
    ...(container.args && { Cmd: container.args }),
    ...(stand.command && { Entrypoint: stand.command, Cmd: [] }),
    HostConfig: {
      NetworkMode: `container:${place.sandbox}`,
      IpcMode: `container:${place.sandbox}`,
      GroupAdd: [`${place.pod.securityContext.fsGroup}`],
      Privileged: security.privileged,
      ReadonlyRootfs: security.readOnlyRootFilesystem,
      CapDrop: security.capabilities.drop,
      // The engine's own seccomp profile is what RuntimeDefault means for it.
      SecurityOpt: security.allowPrivilegeEscalation ? [] : ['no-new-privileges'],
      Memory: quantity(resources?.limits.memory ?? '0'),
      MemorySwap: quantity(resources?.limits.memory ?? '0'),
      NanoCpus: cpu * 1e9,
      CpuShares: Math.round(quantity(resources?.requests.cpu ?? '0') * 1024),
      RestartPolicy: { Name: 'always' },
      Mounts: container.volumeMounts.map(({ name, mountPath, readOnly }) => ({
        Type: 'volume',
        Source: place.volumes.get(name) ?? '',
        Target: mountPath,
        ReadOnly: readOnly,
        VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'local', Options: {} } },
      })),
    },
  };
}

const dataSchema = z.looseObject({ data: z.record(z.string(), z.string()) });

function environment({ env, envFrom }: Container, objects: readonly KubernetesObject[]): string[] {
  const values = new Map<string, string>();
  const dataOf = (kind: string, name: string): Record<string, string> => {
    const object = objects.find((each) => each.kind === kind && each.metadata.name === name);
    if (!object) throw new Error(`there is no ${kind} ${name}`);
    return kind === 'Secret' ? secretData(object) : dataSchema.parse(object).data;
  };
  for (const { configMapRef, secretRef } of envFrom) {
    const data = configMapRef
      ? dataOf('ConfigMap', configMapRef.name)
      : dataOf('Secret', secretRef?.name ?? '');
    for (const [name, value] of Object.entries(data)) values.set(name, value);
  }
  for (const { name, value, valueFrom } of env) {
    if (!valueFrom) values.set(name, value ?? '');
    else {
      const { key, name: secret, optional } = valueFrom.secretKeyRef;
      const given = dataOf('Secret', secret)[key];
      if (given !== undefined) values.set(name, given);
      else if (!optional) throw new Error(`Secret ${secret} has no ${key}`);
    }
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}
