import { messageOf, quote } from '../../errors.ts';
import type { DependencyHealth } from '../../health.ts';
import { buildCommand, type DockerClient } from './docker-client.ts';

/** Whether Docker answers and has the image of task containers. */
export async function dockerHealth(docker: DockerClient, image: string): Promise<DependencyHealth> {
  const name = 'docker';
  try {
    const { version, apiVersion } = await docker.info();
    const detail = `version ${version}, API ${apiVersion}`;
    if (await docker.hasImage(image)) return { name, status: 'ok', detail: `${detail}, image ${image}` };
    return { name, status: 'down', detail: `${detail}; no image ${quote(image)}: ${buildCommand(image)}` };
  } catch (thrown) {
    return { name, status: 'down', detail: messageOf(thrown) };
  }
}
