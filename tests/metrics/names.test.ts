import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { metricShapes } from '../../docs/metrics.ts';

const FOLDER = join(import.meta.dirname, '../../docs/deploy/prometheus');

test('the names, types and labels of the metrics are pinned: alerts and dashboards of others use them', async () => {
  const lines = metricShapes().map(({ name, type, labelNames }) =>
    `${name} ${type} ${labelNames.join(',')}`.trim(),
  );
  await expect(`${lines.sort().join('\n')}\n`).toMatchFileSnapshot('names.snap');
});

test.each(['rules.yml', 'dashboard.json', '../../../tests/metrics/rules.yml'])(
  '%s uses metrics that exist',
  (file) => {
    const known = new Set(metricShapes().map(({ name }) => name));
    const used = readFileSync(join(FOLDER, file), 'utf8').match(/\bopencode_bridge_\w+/g) ?? [];
    const unknown = used.filter(
      (name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')),
    );
    expect(unknown).toEqual([]);
    expect(used.length).toBeGreaterThan(5);
  },
);

test('no label is the id of a task or of a person, and one is that of an agent only where it is asked for', () => {
  const usual = metricShapes().filter(({ name }) => !name.startsWith('opencode_bridge_agent_'));
  const labels = new Set(usual.flatMap(({ labelNames }) => labelNames));
  expect([...labels].filter((label) => /task|agent|user|session|directory/.test(label))).toEqual([]);
});
