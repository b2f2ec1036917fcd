import { text } from 'node:stream/consumers';
import type { ContainerInfo } from 'dockerode';
import { engine } from '../support/docker.ts';

const SERVICE = 'com.docker.compose.service';

/** What compose made for a project, known by its label. */
export class Project {
  readonly name: string;
  /** Those without a name too, which nobody finds again once compose has replaced their container. */
  readonly #volumes = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  get network(): string {
    return `${this.name}_bridge`;
  }

  /** How the container of each service is. */
  async states(): Promise<Record<string, string>> {
    const containers = await this.#containers();
    return Object.fromEntries(containers.map(({ Labels, Status }) => [Labels[SERVICE], Status]));
  }

  /** What a program says in the container of a service, and its exit code. */
  async exec(service: string, command: readonly string[]): Promise<{ code: number | null; output: string }> {
    const container = (await this.#containers()).find((each) => each.Labels[SERVICE] === service);
    const exec = await engine.api
      .getContainer(container?.Id ?? service)
      .exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, Tty: true });
    const output = await text(await exec.start({ Tty: true }));
    return { code: (await exec.inspect()).ExitCode, output };
  }

  async noteVolumes(): Promise<void> {
    for (const { Mounts } of await this.#containers())
      for (const { Name } of Mounts) if (Name !== undefined) this.#volumes.add(Name);
  }

  async removeContainers(): Promise<void> {
    await this.noteVolumes();
    for (const { Id } of await this.#containers()) await engine.api.getContainer(Id).remove({ force: true });
  }

  /** Volumes and networks, once their containers are gone. */
  async removeRest(): Promise<void> {
    for (const name of this.#volumes) await engine.api.getVolume(name).remove();
    for (const { Id } of await engine.api.listNetworks({ filters: this.#label() }))
      await engine.api.getNetwork(Id).remove();
  }

  #containers(): Promise<ContainerInfo[]> {
    return engine.api.listContainers({ all: true, filters: this.#label() });
  }

  #label() {
    return { label: [`com.docker.compose.project=${this.name}`] };
  }
}
