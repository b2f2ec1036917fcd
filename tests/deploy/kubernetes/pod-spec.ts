import { z } from 'zod';
import type { KubernetesObject } from './build.ts';

/** What the pods of docs/deploy/kubernetes use, and nothing else: a field that pod.ts would have to apply is missed here. */
const named = z.strictObject({ name: z.string() });
const optionalKey = z.strictObject({
  name: z.string(),
  key: z.string(),
  optional: z.boolean().default(false),
});

const httpGet = z.strictObject({ path: z.string(), port: z.string() });
const exec = z.strictObject({ command: z.array(z.string()) });
const probeSchema = z.strictObject({
  httpGet: httpGet.optional(),
  exec: exec.optional(),
  periodSeconds: z.number(),
  timeoutSeconds: z.number(),
  failureThreshold: z.number(),
  terminationGracePeriodSeconds: z.number().optional(),
});
export type Probe = z.infer<typeof probeSchema>;

const seccompProfile = z.strictObject({ type: z.literal('RuntimeDefault') });
const securityContext = z.strictObject({
  runAsNonRoot: z.literal(true),
  runAsUser: z.number(),
  runAsGroup: z.number().optional(),
  privileged: z.literal(false).default(false),
  allowPrivilegeEscalation: z.literal(false),
  readOnlyRootFilesystem: z.literal(true),
  capabilities: z.strictObject({ drop: z.array(z.literal('ALL')).length(1) }),
  seccompProfile,
});

const containerSchema = z.strictObject({
  name: z.string(),
  image: z.string(),
  imagePullPolicy: z.literal('IfNotPresent').optional(),
  restartPolicy: z.literal('Always').optional(),
  args: z.array(z.string()).optional(),
  env: z
    .array(
      z.strictObject({
        name: z.string(),
        value: z.string().optional(),
        valueFrom: z.strictObject({ secretKeyRef: optionalKey }).optional(),
      }),
    )
    .default([]),
  envFrom: z
    .array(z.strictObject({ secretRef: named.optional(), configMapRef: named.optional() }))
    .default([]),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.number() })).default([]),
  volumeMounts: z.array(
    z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) }),
  ),
  startupProbe: probeSchema.optional(),
  livenessProbe: probeSchema.optional(),
  readinessProbe: probeSchema.optional(),
  resources: z
    .strictObject({ requests: z.record(z.string(), z.string()), limits: z.record(z.string(), z.string()) })
    .optional(),
  securityContext,
});
export type Container = z.infer<typeof containerSchema>;

const volumeSchema = z.strictObject({
  name: z.string(),
  emptyDir: z.strictObject({ medium: z.literal('Memory').optional(), sizeLimit: z.string() }).optional(),
  persistentVolumeClaim: z.strictObject({ claimName: z.string() }).optional(),
  secret: z
    .strictObject({
      secretName: z.string(),
      defaultMode: z.number(),
      items: z.array(z.strictObject({ key: z.string(), path: z.string() })),
    })
    .optional(),
});
export type Volume = z.infer<typeof volumeSchema>;

const podSchema = z.strictObject({
  serviceAccountName: z.string().optional(),
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  terminationGracePeriodSeconds: z.number().default(30),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true).optional(),
    runAsUser: z.number().optional(),
    runAsGroup: z.number().optional(),
    fsGroup: z.number(),
    fsGroupChangePolicy: z.literal('OnRootMismatch').optional(),
    seccompProfile: seccompProfile.optional(),
  }),
  initContainers: z.array(containerSchema),
  containers: z.array(containerSchema),
  volumes: z.array(volumeSchema),
});

const workloadSchema = z.looseObject({
  spec: z.looseObject({
    selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.looseObject({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: podSchema,
    }),
    volumeClaimTemplates: z
      .array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) }))
      .default([]),
  }),
});

export type PodSpec = ReturnType<typeof podOf>;

/** The pod that a StatefulSet or Deployment makes; claim templates are volumes of it. */
export function podOf(workload: KubernetesObject) {
  const { spec } = workloadSchema.parse(workload);
  const claims = spec.volumeClaimTemplates.map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-${workload.metadata.name}-0` },
  }));
  const { spec: pod, metadata } = spec.template;
  const volumes: Volume[] = [...pod.volumes, ...claims];
  return { ...pod, volumes, labels: metadata.labels, selector: spec.selector.matchLabels };
}

/** A quantity such as 500m, 2 or 1Gi, as a number. */
export function quantity(text: string): number {
  const [, number = '', unit = ''] = /^([\d.]+)(m|[KMG]i)?$/.exec(text) ?? [];
  const factors: Record<string, number> = { '': 1, m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  const factor = factors[unit];
  if (number === '' || factor === undefined) throw new Error(`not a quantity: ${text}`);
  return Number(number) * factor;
}
