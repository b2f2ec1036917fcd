import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Script, scriptText } from '../../../src/cli/demo/scripted-model/script.ts';
import { isEnd, TASK_STATUSES } from '../../../src/tasks/task.ts';
import { RestClient } from '../../http/rest.ts';
import { MODEL_IN_CONTAINER } from '../../support/built-program.ts';
import { containerEnv, engine } from '../../support/docker.ts';
import { IMAGES, notBuilt } from '../built.ts';
import { buildOverlay, find, absent as noKubectl, type Overlay } from './build.ts';
import { Pod } from './pod.ts';

const MODEL = 'http://model:8080/v1';

const statusSchema = z.looseObject({ status: z.enum(TASK_STATUSES) });

/** Why no pod can run here; undefined where it can. */
export const absent = noKubectl ?? notBuilt;

export type World = Awaited<ReturnType<typeof startWorld>>;

/** The pod of an overlay on the engine, with the scripted model in its network. */
export async function startWorld(name: Overlay['name'], settings: Record<string, string> = {}) {
  const id = `letta-test-pod-${randomBytes(4).toString('hex')}`;
  const token = randomBytes(16).toString('hex');
  const password = { OPENCODE_SERVER_PASSWORD: randomBytes(16).toString('hex') };
  const values = {
    '../../base/bridge.env': settings,
    'bridge.secret.env': { MCP_AUTH_TOKENS: `me=${token}`, METRICS_TOKEN: 'of-prometheus' },
    'server.secret.env': { ...password, ...containerEnv(MODEL) },
  };
  const components = name === 'standalone' ? ['monitoring', 'encryption-key'] : [];
  const objects = await buildOverlay({ name, components, values });

  const network = await engine.api.createNetwork({ Name: id });
  const model = await engine.api.createContainer({
    Image: IMAGES.bridge,
    Entrypoint: MODEL_IN_CONTAINER.command,
    Cmd: [],
    Healthcheck: { Test: ['NONE'] },
    HostConfig: { NetworkMode: id, Init: true, Binds: [MODEL_IN_CONTAINER.mount] },
    NetworkingConfig: { EndpointsConfig: { [id]: { Aliases: ['model'] } } },
  });
  const workload = find(objects, name === 'standalone' ? 'StatefulSet' : 'Deployment');
  const pod = new Pod({ name: id, workload, objects, network: id, images: IMAGES_OF_THE_POD });
  const remove = async (): Promise<void> => {
    await pod.remove();
    await model.remove({ force: true, v: true });
    await network.remove();
  };
  try {
    await model.start();
    await pod.start();
  } catch (thrown) {
    await remove();
    throw thrown;
  }

  const port = pod.spec.containers
    .flatMap(({ ports }) => ports)
    .find(({ name }) => name === 'opencode-bridge');
  const bridge = (headers = { authorization: `Bearer ${token}` }) =>
    new RestClient(`http://${pod.ip}:${port?.containerPort}`, headers);
  const run = (steps: Script): Promise<string> =>
    bridge().start({ task_description: `Do it. ${scriptText(steps)}` });
  const ended = async (task: string) => {
    for (;;) {
      const { body } = await bridge().get(`/tasks/${task}/status?wait_ms=20000`);
      if (isEnd(statusSchema.parse(body).status)) return (await bridge().get(`/tasks/${task}`)).body;
    }
  };
  return { pod, bridge, run, ended, remove };
}

const IMAGES_OF_THE_POD = {
  'letta-opencode-plugin': { image: IMAGES.bridge },
  'opencode-server': { image: IMAGES.server },
  // Stands for a container of somebody else.
  'file-browser': { image: IMAGES.runner, command: ['sleep', 'infinity'] },
};
