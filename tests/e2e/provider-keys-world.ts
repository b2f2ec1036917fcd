import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { RestClient } from '../http/rest.ts';
import { findEncoded } from '../support/encodings.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { startLetta } from '../support/letta.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { DIALECT_NAMES, type DialectName } from '../support/scripted-provider/dialect.ts';
import { DIALECT_MODELS } from '../support/scripted-provider/provider-config.ts';
import { startScriptedProvider } from '../support/scripted-provider/server.ts';
import { tempDir } from '../support/temp.ts';
import { type Program, startProgram } from './program.ts';

/** Long enough that it is nowhere by chance. */
export const KEY = `sk-planted-${randomBytes(8).toString('hex')}-of-providers`;
export const OPERATOR = `planted-${randomBytes(8).toString('hex')}-of-the-operator`;
const LETTA_TOKEN = 'token-of-letta';
const ENCRYPTION_KEY = randomBytes(32).toString('base64');

export const modelOf = (dialect: DialectName): string => {
  const { providerID, modelID } = DIALECT_MODELS[dialect];
  return `${providerID}/${modelID}`;
};

/** A bridge whose keys an operator sets, the providers, and everybody who is told of tasks. */
export async function startProviderKeysWorld(
  envOf: (root: string) => Promise<Record<string, string>> | Record<string, string>,
) {
  const root = await tempDir('provider-keys-');
  const provider = await startScriptedProvider({ key: KEY });
  const told = await startOtlpReceiver();
  const letta = await startLetta(LETTA_TOKEN);
  const agentId = letta.addAgent();
  const homeserver = await startFakeHomeserver();
  const [bot, person] = [await homeserver.user('bridge'), await homeserver.user('ann')];
  const roomId = await person.createRoom({ name: 'Tasks' });
  await person.invite(roomId, bot.userId);
  const env = {
    DATA_DIR: join(root.path, 'bridge'),
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
    LOG_LEVEL: 'trace',
    ENCRYPTION_KEY,
    OPERATOR_TOKEN: OPERATOR,
    PROVIDER_PROXY_PORT: String(await freePort()),
    METRICS_ENABLED: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: told.url,
    WEBHOOK_URL: `${told.url}/hook`,
    WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    WEBHOOK_ALLOW_PRIVATE_ADDRESSES: 'true',
    LETTA_API_URL: letta.url,
    LETTA_API_TOKEN: LETTA_TOKEN,
    MATRIX_ENABLED: 'true',
    MATRIX_HOMESERVER_URL: homeserver.url,
    MATRIX_ACCESS_TOKEN: bot.token,
    MATRIX_USER_ID: bot.userId,
    MATRIX_ROOM_ID: roomId,
    ...(await envOf(root.path)),
  };
  let program: Program = startProgram('serve', env);
  const logs: Program[] = [program];
  let url = '';
  const listening = async (): Promise<void> => {
    [, url = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  };
  await listening();
  const api = () => new RestClient(url, { 'x-agent-id': agentId });
  const operator = () => new RestClient(url, { authorization: `Bearer ${OPERATOR}` });

  const set = async (dialect: DialectName, key = KEY): Promise<void> => {
    const { providerID, modelID } = DIALECT_MODELS[dialect];
    const models = dialect === 'openai-chat' ? { models: [modelID] } : {};
    const body = { api_key: key, base_url: provider.baseUrl(dialect), ...models };
    const { status } = await operator().put(`/providers/${providerID}`, body);
    if (status !== 200) throw new Error(`PUT /providers/${providerID}: ${status}`);
  };
  return {
    root: root.path,
    provider,
    env,
    set,
    setAll: () => Promise.all(DIALECT_NAMES.map((dialect) => set(dialect))),
    api,
    operator,
    says: (pattern: RegExp) => program.says(pattern),
    /** Kills the bridge, and starts it again on the same data. */
    async restart(variables: Record<string, string> = {}) {
      program.child.kill('SIGKILL');
      await program.exit;
      program = startProgram('serve', { ...env, ...variables });
      logs.push(program);
      await listening();
    },
    /** Hands a task over, and waits for its end. */
    async run(dialect: DialectName, task_description: string, more: object = {}) {
      const id = await api().start({ task_description, model: modelOf(dialect), ...more });
      await api().stream(`/tasks/${id}/events`);
      return (await api().get(`/tasks/${id}`)).body;
    },
    /** Where a secret is in anything that the bridge wrote or said anywhere; empty if it is nowhere. */
    async traces(secret: string, ...more: string[]): Promise<string[]> {
      const client = api();
      const { body } = await client.get('/tasks');
      const ids: string[] = body.tasks.map(({ task_id }: { task_id: string }) => task_id);
      const answers = await Promise.all(
        ids.flatMap((id) => [`/tasks/${id}`, `/tasks/${id}/events`]).map((path) => client.get(path)),
      );
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const health = await (await fetch(`${url}/health`)).text();
      const files = await filesBelow(join(root.path, 'bridge'));
      const written = {
        answers: JSON.stringify(answers.map(({ body: it }) => it)),
        list: JSON.stringify((await operator().get('/providers')).body),
        metrics,
        health,
        log: logs.map((each) => each.stderr() + each.stdout()).join('\n'),
        traces: told.requests.map((each) => each.body).join('\n'),
        blocks: JSON.stringify([...letta.values, ...letta.agents.values()]),
        Matrix: JSON.stringify(homeserver.arrivals),
        webhooks: told.received.map((each) => JSON.stringify(each.headers) + each.body).join('\n'),
        ...Object.fromEntries(more.map((text, index) => [`given ${index}`, text])),
      };
      const texts = [
        ...Object.entries(written),
        ...(await Promise.all(
          files.map(async (path) => [path, (await readFile(path)).toString('latin1')] as const),
        )),
      ];
      const heard = [told.received, told.requests, homeserver.arrivals, [...letta.values]];
      if (heard.some((each) => each.length === 0)) throw new Error('somebody was not told');
      return texts.flatMap(([place, text]) => findEncoded(text, secret).map((how) => `${place}: ${how}`));
    },
    async [Symbol.asyncDispose]() {
      program.child.kill('SIGTERM');
      await program.exit;
      await provider[Symbol.asyncDispose]();
      await told[Symbol.asyncDispose]();
      await letta[Symbol.asyncDispose]();
      await homeserver.stop();
      await root.remove();
    },
  };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}
