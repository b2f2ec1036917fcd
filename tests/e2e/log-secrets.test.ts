import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { RestClient } from '../http/rest.ts';
import { findEncoded } from '../support/encodings.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, startProgram } from './program.ts';

/** Long enough that none is in a log by chance. */
const PLANTED = {
  token: 'planted-token-of-a-client-4711',
  operator: 'planted-token-of-metrics-4712',
  webhook: `whsec_${Buffer.from('planted-secret-of-webhooks-4713').toString('base64')}`,
  letta: 'planted-token-of-letta-4714',
  provider: 'planted-key-of-a-provider-4715',
  prompt: 'planted-word-of-the-prompt-4716',
  file: 'planted-content-of-a-file-4717',
  fileName: 'planted-name-of-a-file-4718',
  output: 'planted-output-of-a-command-4719',
  answer: 'planted-answer-of-the-model-4720',
  message: 'planted-message-to-the-task-4721',
  reason: 'planted-reason-of-a-cancel-4722',
  wrongToken: 'planted-token-that-is-wrong-4723',
  query: 'planted-value-of-a-query-4724',
};

const lineSchema = z.looseObject({
  level: z.union([z.number(), z.string()]),
  taskId: z.string().optional(),
});

it('the log at its lowest level holds no prompt, content or secret, in whatever encoding, and says whose task it is', async () => {
  await using folder = await tempDir('log-secrets-');
  const model = await startScriptedModel();
  const closedPort = await freePort();
  const env = {
    ...bridgeEnv(folder.path, model.url),
    LOG_LEVEL: 'trace',
    MCP_AUTH_TOKENS: PLANTED.token,
    METRICS_ENABLED: 'true',
    METRICS_TOKEN: PLANTED.operator,
    // Deliveries that fail leave lines too.
    WEBHOOK_URL: `http://127.0.0.1:${closedPort}/hook`,
    WEBHOOK_ALLOW_PRIVATE_ADDRESSES: 'true',
    WEBHOOK_SECRET: PLANTED.webhook,
    LETTA_API_URL: `http://127.0.0.1:${closedPort}`,
    LETTA_API_TOKEN: PLANTED.letta,
    ANTHROPIC_API_KEY: PLANTED.provider,
  };
  const bridge = startProgram('serve', env);
  const [, url = ''] = await bridge.says(/"url":"(http:[^"]+)\/mcp"/);
  const api = new RestClient(url, {
    authorization: `Bearer ${PLANTED.token}`,
    'x-agent-id': 'ann',
    'x-request-id': 'of-this-test',
  });
  const steps = [
    write(`${PLANTED.fileName}.txt`, PLANTED.file),
    bash(`echo ${PLANTED.output}; exit 3`),
    { text: PLANTED.answer },
  ];
  const id = await api.start({ task_description: `${PLANTED.prompt} ${scriptText(steps)}` });
  const { events } = await api.stream(`/tasks/${id}/events`);
  expect(JSON.stringify(events), 'the task had all of it').toContain(PLANTED.output);
  const path = join(folder.path, 'bridge/workspaces', id, `${PLANTED.fileName}.txt`);
  expect(await readFile(path, 'utf8')).toBe(PLANTED.file);

  const slow = await api.start({ task_description: scriptText([bash('sleep 60')]) });
  await api.stream(`/tasks/${slow}/events`, ({ data }) => JSON.stringify(data).includes('sleep 60'));
  await api.post(`/tasks/${slow}/messages`, { message: PLANTED.message });
  await api.post(`/tasks/${slow}/cancel`, { reason: PLANTED.reason });
  await fetch(`${url}/tasks?q=${PLANTED.query}`, {
    headers: { authorization: `Bearer ${PLANTED.wrongToken}` },
  });
  await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${PLANTED.operator}` } });
  bridge.child.kill('SIGTERM');
  await bridge.exit;
  await model.close();

  const log = bridge.stderr();
  const found = Object.entries(PLANTED).flatMap(([name, secret]) =>
    findEncoded(log, secret).map((encoding) => `${name} in ${encoding}`),
  );
  expect(found).toEqual([]);
  const lines = log
    .trim()
    .split('\n')
    .map((line) => lineSchema.parse(JSON.parse(line)));
  expect(lines.filter(({ message, msg }) => (message ?? msg) === 'a request').length).toBeGreaterThan(5);
  const ofTasks = lines.filter(({ taskId, tool }) => taskId !== undefined && tool === undefined);
  expect(ofTasks.length, log).toBeGreaterThan(0);
  for (const line of ofTasks) expect(line).toMatchObject({ agentId: 'ann', requestId: 'of-this-test' });
});

it('the search finds what is there, in each encoding', () => {
  const text = 'planted-4711 and more';
  for (const before of ['', 'a', 'ab', 'abc']) {
    const encoded = Buffer.from(`${before}${text}cd`).toString('base64');
    expect(findEncoded(`level ${encoded} end`, text), before).not.toEqual([]);
    expect(findEncoded(`level ${encoded} end`, 'planted-4712 and more'), before).toEqual([]);
  }
  expect(findEncoded('…planted…', 'planted')).toContain('clear');
  expect(findEncoded(encodeURIComponent('a b/c'), 'a b/c')).toEqual([]);
  expect(findEncoded('%61%20%62', 'a b')).toEqual(['URL']);
});
