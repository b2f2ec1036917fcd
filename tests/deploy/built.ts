import type { ImageInspectInfo } from 'dockerode';
import { engine } from '../support/docker.ts';

/** The images of both Dockerfiles, as compose.yaml and RUNNER_IMAGE name them. */
export const IMAGES = {
  bridge: 'letta-opencode-plugin:local',
  server: 'opencode-server:local',
  runner: 'letta-opencode-runner',
} as const;

export const inspect = (image: string): Promise<ImageInspectInfo> => engine.api.getImage(image).inspect();

/** Why the images are not there; undefined where they are. */
export const notBuilt = engine.absent ?? (await whyNotBuilt());

async function whyNotBuilt(): Promise<string | undefined> {
  try {
    await Promise.all(Object.values(IMAGES).map(inspect));
    return undefined;
  } catch (thrown) {
    return `not all images are at ${engine.host} (${thrown}): run tests/support/docker-images`;
  }
}
