import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SECRETS } from '../../../src/config/child-env.ts';
import { VARIABLES } from '../../../src/config/variables.ts';
import { readTop, stageOf } from '../dockerfile.ts';
import { absent, buildBase, buildOverlay, find, type KubernetesObject } from './build.ts';
import { type Container, type PodSpec, podOf } from './pod-spec.ts';

const ALL = ['monitoring', 'encryption-key'];
/** The key is a file, and the one before it comes with the same component. */
const OF_THE_KEY = ['ENCRYPTION_KEY', 'ENCRYPTION_KEY_PREVIOUS'];

let base: KubernetesObject[];
let full: KubernetesObject[];
let sidecar: KubernetesObject[];
let pods: { own: PodSpec; full: PodSpec; others: PodSpec };

beforeEach(({ skip }) => skip(absent !== undefined, absent));
beforeAll(async () => {
  if (absent !== undefined) return;
  base = buildBase();
  full = await buildOverlay({ name: 'standalone', components: ALL });
  sidecar = await buildOverlay({ name: 'sidecar' });
  pods = {
    own: podOf(find(base, 'StatefulSet')),
    full: podOf(find(full, 'StatefulSet')),
    others: podOf(find(sidecar, 'Deployment')),
  };
});

const both = (pod: PodSpec): [Container, Container] => [
  container(pod, 'opencode-bridge'),
  container(pod, 'opencode-server'),
];

function container({ containers, initContainers }: PodSpec, name: string): Container {
  const found = [...containers, ...initContainers].find((each) => each.name === name);
  if (!found) throw new Error(`no container ${name}`);
  return found;
}

/** Every value that some object below has under the key. */
function valuesOf(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => [
    ...(name === key ? [child] : []),
    ...valuesOf(child, key),
  ]);
}

const nameOf = (value: unknown): string => {
  const { name, secretName } = z
    .looseObject({ name: z.string().optional(), secretName: z.string().optional() })
    .parse(value);
  return name ?? secretName ?? '';
};
const portOf = (value: unknown): unknown => z.looseObject({ port: z.string() }).parse(value).port;
const labelsOf = (value: unknown): Record<string, unknown> => {
  const { matchLabels, ...pairs } = z
    .looseObject({ matchLabels: z.record(z.string(), z.string()).optional() })
    .parse(value);
  return matchLabels ?? pairs;
};

describe('the objects fit together', () => {
  it.each(['own', 'full', 'others'] as const)(
    'each mount of the pod has a volume, and each volume a mount: %s',
    (which) => {
      const pod = pods[which];
      const mounts = [...pod.containers, ...pod.initContainers].flatMap(({ volumeMounts }) => volumeMounts);
      expect(new Set(mounts.map(({ name }) => name))).toEqual(new Set(pod.volumes.map(({ name }) => name)));
    },
  );

  it('every Secret and ConfigMap that a pod or monitor reads is made', () => {
    for (const objects of [full, sidecar]) {
      const named = (...keys: string[]) => keys.flatMap((key) => valuesOf(objects, key)).map(nameOf);
      const secrets = named('secretKeyRef', 'secretRef', 'credentials', 'secret');
      const maps = named('configMapRef');
      const made = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(made).toEqual(expect.arrayContaining(secrets.map((name) => `Secret ${name}`)));
      expect(made).toEqual(expect.arrayContaining(maps.map((name) => `ConfigMap ${name}`)));
      expect([secrets.length > 8, maps.length]).toEqual([true, 1]);
    }
    expect(valuesOf(full, 'credentials')).toEqual([
      { name: expect.stringMatching(/^opencode-bridge-\w{10}$/), key: 'METRICS_TOKEN' },
    ]);
  });

  it('what selects the pod finds it, by a port that it has', () => {
    const { labels, selector } = pods.full;
    expect(labels).toMatchObject(selector);
    const selectors = ['selector', 'podSelector'].flatMap((key) => valuesOf(full, key)).map(labelsOf);
    const ofThePod = selectors.filter((pairs) => pairs['app.kubernetes.io/name'] === 'opencode-bridge');
    // Two Services, the StatefulSet, the budget, the monitor and two policies.
    expect(ofThePod).toHaveLength(7);
    for (const pairs of ofThePod) expect(labels).toMatchObject(pairs);
    const ports = container(pods.full, 'opencode-bridge').ports.map(({ name }) => name);
    const policies = full.filter(({ kind }) => kind === 'NetworkPolicy');
    const used = [
      ...valuesOf(full, 'targetPort'),
      ...valuesOf(policies, 'port'),
      ...valuesOf(full, 'httpGet').map(portOf),
    ];
    expect(new Set(used.filter((port) => typeof port === 'string'))).toEqual(new Set(ports));
    expect(ports).toHaveLength(1);
  });

  it('the rules name the job that Prometheus makes of the monitor', () => {
    const { jobLabel } = z.looseObject({ jobLabel: z.string() }).parse(find(full, 'ServiceMonitor').spec);
    const job = find(full, 'Service', 'opencode-bridge').metadata.labels[jobLabel];
    const rules = JSON.stringify(find(full, 'PrometheusRule'));
    expect([...rules.matchAll(/job=\\"([^\\]+)/g)].map(([, name]) => name)).toEqual([job, job]);
  });

  it('the probes ask for paths that the bridge serves, and the liveness of OpenCode is the check of its image', () => {
    const [bridge, server] = both(pods.own);
    const paths = [bridge.startupProbe, bridge.livenessProbe, bridge.readinessProbe].map(
      (probe) => probe?.httpGet?.path,
    );
    expect(paths).toEqual(['/health', '/health', '/ready']);
    expect(server.livenessProbe?.exec?.command).toEqual(
      stageOf('Dockerfile.opencode', 'server').words('HEALTHCHECK'),
    );
    expect(server.args?.filter((word) => word !== '127.0.0.1')).toEqual(
      stageOf('Dockerfile.opencode', 'server')
        .words('CMD')
        .filter((word) => word !== '0.0.0.0'),
    );
  });

  it('the images are those of compose.yaml, in this version', () => {
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(readTop('package.json')));
    expect(both(pods.own).map(({ image }) => image)).toEqual([
      `letta-opencode-plugin:${version}`,
      `opencode-server:${version}`,
    ]);
    for (const pod of [pods.full, pods.others])
      expect(both(pod).map(({ image }) => image.replace('registry.example/', ''))).toEqual(
        both(pods.own).map(({ image }) => image),
      );
  });

  it('a changed value of the ConfigMap or of a Secret replaces the pod', async () => {
    const changes = { 'bridge.secret.env': { MCP_AUTH_TOKENS: 'a=b' } };
    const changed = await buildOverlay({ name: 'standalone', values: changes });
    const unchanged = await buildOverlay({ name: 'standalone' });
    const specOf = (objects: KubernetesObject[]) => find(objects, 'StatefulSet').spec;
    expect(specOf(changed)).not.toEqual(specOf(unchanged));
    expect(specOf(await buildOverlay({ name: 'standalone' }))).toEqual(specOf(unchanged));
  });
});

describe('what a container may and has', () => {
  it('the pod keeps to the Pod Security Standard "restricted", with a read-only root besides', () => {
    // pod-spec.ts accepts nothing else: no capability, no root, no privilege, seccomp, no volume of the host.
    for (const pod of Object.values(pods))
      for (const { securityContext } of both(pod))
        expect(securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 1000 });
    expect(find(full, 'Namespace').metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    expect(JSON.stringify([full, sidecar])).not.toMatch(
      /host(Network|PID|IPC|Path|Port)|NodePort|LoadBalancer/,
    );
  });

  it('every secret of the bridge comes from a Secret, and to the bridge alone', () => {
    for (const pod of Object.values(pods)) {
      const [bridge, server] = both(pod);
      const fromSecret = bridge.env.filter(({ valueFrom }) => valueFrom);
      const expected = [
        ...SECRETS.filter((name) => !OF_THE_KEY.includes(name)),
        ...(pod === pods.full ? ['ENCRYPTION_KEY_PREVIOUS'] : []),
      ];
      expect(fromSecret.map(({ name }) => name).sort()).toEqual(expected.sort());
      const needed = fromSecret
        .filter(({ valueFrom }) => !valueFrom?.secretKeyRef.optional)
        .map(({ name }) => name);
      const always = ['MCP_AUTH_TOKENS', 'OPENCODE_SERVER_PASSWORD'];
      expect(needed.sort()).toEqual(pod === pods.full ? [...always, 'METRICS_TOKEN'].sort() : always);
      expect(server.env.map(({ name }) => name)).toEqual(['XDG_DATA_HOME']);
      expect(server.envFrom).toEqual([{ secretRef: { name: expect.stringMatching(/^opencode-server/) } }]);
      expect(JSON.stringify(server)).not.toContain('opencode-bridge');
    }
  });

  it('only the workspace is in both containers', () => {
    for (const pod of Object.values(pods)) {
      const [bridge, server] = both(pod).map(({ volumeMounts }) =>
        volumeMounts.map(({ name, mountPath }) => `${name} ${mountPath}`),
      );
      expect(bridge?.filter((mount) => server?.includes(mount))).toEqual(['workspace /workspace']);
    }
    const key = pods.full.volumes.find(({ secret }) => secret);
    expect(key?.secret).toMatchObject({ defaultMode: 0o440, items: [{ key: 'encryption-key' }] });
  });

  it('every variable is one that the bridge has, and no secret is in the ConfigMap', () => {
    const maps = [base, full, sidecar].map((objects) => find(objects, 'ConfigMap').data);
    const names = maps.flatMap((data) => Object.keys(z.record(z.string(), z.string()).parse(data)));
    const set = Object.values(pods).flatMap((pod) =>
      container(pod, 'opencode-bridge').env.map(({ name }) => name),
    );
    expect([...names, ...set].filter((name) => !(name in VARIABLES))).toEqual([]);
    expect(names.filter((name) => SECRETS.some((secret) => secret === name))).toEqual([]);
  });

  it('a pod that ends gives running tasks their time, and the bridge 15 s more', () => {
    for (const [pod, objects] of [
      [pods.own, base],
      [pods.full, full],
      [pods.others, sidecar],
    ] as const) {
      const { SHUTDOWN_GRACE_MS } = z
        .looseObject({ SHUTDOWN_GRACE_MS: z.string() })
        .parse(find(objects, 'ConfigMap').data);
      expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(
        Number(SHUTDOWN_GRACE_MS) + 15_000,
      );
      // A sidecar ends after the containers beside it.
      expect(container(pod, 'opencode-server').restartPolicy).toBe('Always');
      expect(pod.initContainers).toHaveLength(1);
    }
  });
});
