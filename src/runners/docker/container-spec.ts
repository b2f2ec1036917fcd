import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import { ENGINE_MEMORY } from '../opencode-protocol/engine-memory.ts';
import { permissionVariable } from '../opencode-protocol/session-rules.ts';

/** The labels by which a bridge knows its containers again. */
export const LABELS = {
  bridge: 'letta-opencode-plugin.bridge',
  task: 'letta-opencode-plugin.task',
  agent: 'letta-opencode-plugin.agent',
} as const;

/** In memory, for whoever the processes of a container are. */
export const HOME = '/home/agent';
const DATA = '/opencode/data';
const PROMPT = '/opencode/prompt';
const NAME_LENGTH = 24;
/** What a run may write to stdout and stderr unless told otherwise, as it stands in its log. */
export const DEFAULT_OUTPUT_LIMIT = 256 * 2 ** 20;

/** How much of the machine a container gets. */
export interface ResourceLimits {
  /** Processors. */
  cpus: number;
  memoryBytes: number;
  /** Processes and threads at most. */
  pids: number;
}

/** What every task container of this bridge gets. */
export interface ContainerLimits extends ResourceLimits {
  image: string;
  /** A network of Docker's: bridge, none, host, or one by name. */
  network: string;
  /** Variables that are handed on, with their values. */
  env: Readonly<Record<string, string>>;
  /** How much of a log a run may write, in bytes. */
  outputBytes?: number | undefined;
  /** What becomes of permissions that OpenCode would ask for. */
  permissions: 'allow' | 'reject';
}

/** One run of OpenCode for one prompt. */
export interface ContainerOptions {
  bridgeId: string;
  taskId: string;
  agentId: string;
  /** Mounted at the same path, so that paths mean the same inside and outside. */
  directory: string;
  /** Where OpenCode keeps its sessions, on the host. */
  dataDir: string;
  promptFile: string;
  /** Files in the directory that it is not to see; they are empty for it. */
  hiddenFiles?: readonly string[] | undefined;
  /** uid:gid. */
  user: string;
  /** The OpenCode session to go on in; absent: a new one. */
  session?: string | undefined;
  /** `provider/model`. */
  model?: string | undefined;
  agent?: string | undefined;
}

/** The id of a prompt and the name of its container; the same key gives the same one. */
export function containerName(bridgeId: string, key: string): string {
  const hash = createHash('sha256').update(`${bridgeId}:${key}`).digest('hex');
  return `letta-task-${hash.slice(0, NAME_LENGTH)}`;
}

/** What the engine is told to create: the OpenCode CLI with JSON output, the prompt on its stdin, and its bounds. */
export function containerSpec(order: ContainerOptions, limits: ContainerLimits): ContainerCreateOptions {
  const { directory, dataDir, promptFile, hiddenFiles = [], user } = order;
  const { outputBytes = DEFAULT_OUTPUT_LIMIT } = limits;
  return {
    Image: limits.image,
    // A file as stdin is whole whenever the container starts, whatever becomes of the bridge meanwhile.
    Entrypoint: ['/bin/sh', '-c', `exec "$@" < ${PROMPT}`, 'sh'],
    Cmd: command(order, limits),
    Env: variables(limits),
    Labels: { [LABELS.bridge]: order.bridgeId, [LABELS.task]: order.taskId, [LABELS.agent]: order.agentId },
    WorkingDir: directory,
    User: user,
    HostConfig: {
      Mounts: [
        bindMount(directory, directory),
        bindMount(dataDir, DATA),
        bindMount(promptFile, PROMPT, true),
        ...hiddenFiles.map(maskFile),
      ],
      ...restrictions(user, limits),
      NetworkMode: limits.network,
      // The log is what the events are read from, also after a restart. Nothing of a run is rotated away before it
      // has written more than it may, for which it is ended: the file that is kept is then as large as that.
      LogConfig: boundedLog(outputBytes),
    },
  };
}

/** What holds a container in: its bounds, no rights, and a root that it cannot write. `user` is uid:gid. */
export function restrictions(user: string, { cpus, memoryBytes, pids }: ResourceLimits) {
  const [uid, gid] = user.split(':');
  return {
    Tmpfs: { '/tmp': 'exec,mode=1777', [HOME]: `exec,mode=0700,uid=${uid},gid=${gid}` },
    ReadonlyRootfs: true,
    NanoCpus: Math.round(cpus * 1e9),
    Memory: memoryBytes,
    // No swap on top of it.
    MemorySwap: memoryBytes,
    PidsLimit: pids,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Init: true,
  };
}

/** A log of two files of this size at most, which loses nothing else; by default an engine keeps all, or less. */
export function boundedLog(bytes: number) {
  return {
    Type: 'json-file',
    Config: { 'max-size': `${bytes}`, 'max-file': '2', mode: 'blocking' },
  };
}

/** A file of the host that is empty for a container. */
export function maskFile(path: string) {
  return bindMount('/dev/null', path, true);
}

/** A path of the host that a container has too. */
export function bindMount(Source: string, Target: string, ReadOnly = false) {
  return { Type: 'bind', Source, Target, ReadOnly } as const;
}

function command(
  { session, model, agent, taskId }: ContainerOptions,
  { permissions }: ContainerLimits,
): string[] {
  return [
    ...['opencode', 'run', '--format', 'json'],
    // A session without a title costs a call of the model that gives it one.
    ...(session === undefined ? ['--title', taskId] : ['--session', session]),
    ...(model === undefined ? [] : ['--model', model]),
    ...(agent === undefined ? [] : [`--agent=${agent}`]),
    ...(permissions === 'allow' ? ['--auto'] : []),
  ];
}

function variables({ env }: ContainerLimits): string[] {
  const all = {
    ...ENGINE_MEMORY,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    ...env,
    OPENCODE_PERMISSION: permissionVariable(env.OPENCODE_PERMISSION),
    HOME,
    XDG_DATA_HOME: DATA,
  };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}
