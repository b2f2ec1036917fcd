import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { PersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';

/** Kubernetes 1.36, and the Prometheus operator. */
const MODELS = [
  ConfigMap,
  Deployment,
  Namespace,
  NetworkPolicy,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  PrometheusRule,
  Secret,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
];

/** What the schemas have against an object: wrong types and values, missing fields, and fields that they do not know. */
export function problemsOf(object: unknown): string[] {
  const model = MODELS.find(({ is }) => is(object));
  if (!model) return [`no schema for ${JSON.stringify(object).slice(0, 80)}`];
  const unread = new Set<string>();
  const seen = recorded(object, '', unread);
  try {
    model.prototype.validate.call(seen);
  } catch (thrown) {
    return [String(thrown)];
  }
  return [...unread].map((path) => `unknown field ${path}`);
}

/**
 * The value, with the path of each of its fields in `unread` until somebody reads the field. The schemas allow unknown
 * fields, but their validators read each field that they know.
 */
function recorded(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, field]) => {
    unread.add(`${path}/${key}`);
    return [key, recorded(field, `${path}/${key}`, unread)] as const;
  });
  const copy = Array.isArray(value) ? fields.map(([, field]) => field) : Object.fromEntries(fields);
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return Reflect.get(target, key);
    },
  });
}
