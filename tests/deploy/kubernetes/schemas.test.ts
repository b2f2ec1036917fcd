import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { absent, buildBase, buildOverlay, find, type KubernetesObject } from './build.ts';
import { problemsOf } from './schemas.ts';

let base: KubernetesObject[];
let full: KubernetesObject[];
let sidecar: KubernetesObject[];

beforeEach(({ skip }) => skip(absent !== undefined, absent));
beforeAll(async () => {
  if (absent !== undefined) return;
  base = buildBase();
  full = await buildOverlay({ name: 'standalone', components: ['monitoring', 'encryption-key'] });
  sidecar = await buildOverlay({ name: 'sidecar' });
});

/** Every object that is in a value, with the way to it. */
function objectsIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([key, child]) => objectsIn(child, [...path, key]));
  return Array.isArray(value) ? inner : [path, ...inner];
}

/** A copy with a field added to the object at the path. */
function withField(value: object, path: readonly (string | number)[], field: string): object {
  const copy = structuredClone(value);
  const target = path.reduce<unknown>((at, key) => Reflect.get(Object(at), key), copy);
  Reflect.set(Object(target), field, { unknown: true });
  return copy;
}

describe('the schemas of Kubernetes 1.36 and of the Prometheus operator', () => {
  it('accept every object, with each component and without', async () => {
    const plain = await buildOverlay({ name: 'standalone' });
    const objects = [base, plain, full, sidecar].flat();
    expect(objects.length).toBeGreaterThan(30);
    expect(objects.flatMap((object) => problemsOf(object))).toEqual([]);
  });

  it('refuse an unknown field wherever it is', () => {
    let tried = 0;
    for (const object of [...full, ...sidecar]) {
      for (const path of objectsIn(object)) {
        // Labels and the like may have any name, but not any value.
        const problems = problemsOf(withField(object, path, 'typo')).join();
        expect(problems).toMatch(/unknown field|must be (string|number)/);
        expect(problems).toContain([...path, 'typo'].join('/'));
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(200);
  });

  it.each([
    [{ replicas: '1' }, /replicas/],
    [{ podManagementPolicy: 'Sometimes' }, /podManagementPolicy/],
    [{ serviceName: 7 }, /serviceName/],
    [{ template: {}, selector: undefined }, /selector/],
  ])('refuse %o', (change, words) => {
    const workload = find(base, 'StatefulSet');
    const spec = { ...z.looseObject({}).parse(workload.spec), ...change };
    expect(problemsOf({ ...workload, spec }).join()).toMatch(words);
  });

  it('refuse what they do not know', () => {
    expect(problemsOf({ apiVersion: 'v1', kind: 'Pot' })).toEqual([expect.stringContaining('no schema')]);
  });
});
