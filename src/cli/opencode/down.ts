import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { DockerClient } from '../../runners/docker/docker-client.ts';
import { ServerContainer } from '../../runners/docker/server-container.ts';
import { EXIT } from '../command.ts';
import { readOptions } from './options.ts';
import { print } from './output.ts';

/** Removes the container of `up` on OPENCODE_PORT, if there is one. */
export async function down({ docker, engine: { port } }: Config, args: string[]): Promise<number> {
  readOptions(args, z.object({}));
  const container = new ServerContainer(new DockerClient(docker.host), port);
  const was = await container.remove();
  print(was ? `${container.name} is removed` : `${container.name} is not there`);
  return EXIT.ok;
}
