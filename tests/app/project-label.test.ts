import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { healthReport } from '../../src/api/health-report.ts';
import { startScriptedBridge } from '../mcp/bridge.ts';

it('is in the report of health if it is set', async () => {
  await using bridge = await startScriptedBridge();
  expect(await healthReport(bridge.services)).not.toHaveProperty('project_id', expect.anything());
  const report = await healthReport({ ...bridge.services, projectId: 'p-1' });
  expect(report).toMatchObject({ status: 'ok', project_id: 'p-1' });
});

it('is in each line of the log', () => {
  const logger = join(import.meta.dirname, '../../src/logger.ts');
  const program = `
    import { createLogger } from '${logger}';
    const logger = createLogger('info', 'p-1');
    logger.info({}, 'one');
    logger.child({ sink: 's' }).warn({ taskId: 't' }, 'two');`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([{ project_id: 'p-1' }, { project_id: 'p-1', sink: 's', taskId: 't' }]);
});
