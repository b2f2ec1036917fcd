import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import type { ModelConfig } from '../../tasks/model-config.ts';
import { ENGINE_MEMORY, ENGINE_START } from '../opencode-protocol/engine-runtime.ts';
import { directly, type ProviderAccess, withProviders } from '../opencode-protocol/provider-blocks.ts';
import { permissionVariable } from '../opencode-protocol/session-rules.ts';
import { modelSettings, SYSTEM_PROMPT } from './model-settings.ts';

/** The labels by which a bridge recognizes its containers. */
export const LABELS = {
  bridge: 'letta-opencode-plugin.bridge',
  task: 'letta-opencode-plugin.task',
  agent: 'letta-opencode-plugin.agent',
} as const;

/** A tmpfs that belongs to the user of the container. */
export const HOME = '/home/agent';
const DATA = '/opencode/data';
const PROMPT = '/opencode/prompt';
/**
 * OpenCode 1.18.33 installs the SDK of its plugins from npm, 63 MB, into the configuration folder of a new home, unless
 * the package files there name it (its `Npm.install`). The home of a container is new each time, in memory, and has no
 * plugins; those of the task's folder have the SDK in their own folder. Where this fails, OpenCode does as it would.
 */
const MARK_SDK_INSTALLED = `
{
  config=$HOME/.config/opencode
  sdk='"dependencies":{"@opencode-ai/plugin":"*"}'
  mkdir -p "$config/node_modules"
  echo "{$sdk}" > "$config/package.json"
  echo "{\\"packages\\":{\\"\\":{$sdk}}}" > "$config/package-lock.json"
} 2> /dev/null`;
/** Options of OpenCode's runtime, which reads them at its start. */
const RUNTIME = { ...ENGINE_MEMORY, ...ENGINE_START };
const NAME_LENGTH = 24;
/** Bytes that a run may write to stdout and stderr, measured in its log. */
export const DEFAULT_OUTPUT_LIMIT = 256 * 2 ** 20;

/** The resources that a container may use. */
export interface ResourceLimits {
  /** CPUs; fractions are allowed. */
  cpus: number;
  memoryBytes: number;
  /** Maximum number of processes and threads. */
  pids: number;
}

/** The limits and settings of every task container of this bridge. */
export interface ContainerLimits extends ResourceLimits {
  image: string;
  /** A Docker network: bridge, none, host, or a name. */
  network: string;
  /** Environment variables of the container. */
  env: Readonly<Record<string, string>>;
  /** Bytes that a run may write to its log. */
  outputBytes?: number | undefined;
  /** The answer to each permission that OpenCode asks for. */
  permissions: 'allow' | 'reject';
}

/** One run of OpenCode for one prompt. */
export interface ContainerOptions {
  bridgeId: string;
  taskId: string;
  agentId: string;
  /** Mounted at the same path, so that paths are the same inside and outside. */
  directory: string;
  /** Where OpenCode keeps its sessions, on the host. */
  dataDir: string;
  promptFile: string;
  /** Files in the directory that the container sees as empty. */
  hiddenFiles?: readonly string[] | undefined;
  /** uid:gid. */
  user: string;
  /** The OpenCode session to continue; absent: a new one. */
  session?: string | undefined;
  /** `provider/model`. */
  model?: string | undefined;
  agent?: string | undefined;
  /** The providers of models that it reaches without their keys. */
  providers?: ProviderAccess | undefined;
  modelConfig?: ModelConfig | undefined;
  /** The file with the system prompt of `modelConfig`. */
  systemPromptFile?: string | undefined;
}

/** The id of a prompt, which is also the name of its container. The same key gives the same name. */
export function containerName(bridgeId: string, key: string): string {
  const hash = createHash('sha256').update(`${bridgeId}:${key}`).digest('hex');
  return `letta-task-${hash.slice(0, NAME_LENGTH)}`;
}

/** The container of one run: the OpenCode CLI with JSON output, the prompt on stdin, and its limits. */
export function containerSpec(options: ContainerOptions, limits: ContainerLimits): ContainerCreateOptions {
  const { directory, dataDir, promptFile, systemPromptFile, hiddenFiles = [], user } = options;
  const { outputBytes = DEFAULT_OUTPUT_LIMIT } = limits;
  return {
    Image: limits.image,
    // The prompt is a file, so that it is complete even where the bridge dies before the container starts.
    Entrypoint: ['/bin/sh', '-c', entrypoint(limits), 'sh'],
    Cmd: command(options, limits),
    Env: variables(options, limits),
    Labels: {
      [LABELS.bridge]: options.bridgeId,
      [LABELS.task]: options.taskId,
      [LABELS.agent]: options.agentId,
    },
    WorkingDir: directory,
    User: user,
    HostConfig: {
      Mounts: [
        bindMount(directory, directory),
        bindMount(dataDir, DATA),
        bindMount(promptFile, PROMPT, true),
        ...(systemPromptFile === undefined ? [] : [bindMount(systemPromptFile, SYSTEM_PROMPT, true)]),
        ...hiddenFiles.map(maskFile),
      ],
      ...restrictions(user, limits),
      NetworkMode: limits.network,
      // Events are read from the log, also after a restart, so none of it may be lost to rotation. A run that exceeds
      // the output limit is stopped, and each of the two log files holds as much as that limit.
      LogConfig: boundedLog(outputBytes),
    },
  };
}

/** The restrictions of a container: its limits, no capabilities, and a read-only root. `user` is uid:gid. */
export function restrictions(user: string, { cpus, memoryBytes, pids }: ResourceLimits) {
  const [uid, gid] = user.split(':');
  return {
    Tmpfs: { '/tmp': 'exec,mode=1777', [HOME]: `exec,mode=0700,uid=${uid},gid=${gid}` },
    ReadonlyRootfs: true,
    NanoCpus: Math.round(cpus * 1e9),
    Memory: memoryBytes,
    // Memory and swap together: no swap.
    MemorySwap: memoryBytes,
    PidsLimit: pids,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Init: true,
  };
}

/** A log of at most two files of this size. `blocking`: no output is dropped. Engines differ in their defaults. */
export function boundedLog(bytes: number) {
  return {
    Type: 'json-file',
    Config: { 'max-size': `${bytes}`, 'max-file': '2', mode: 'blocking' },
  };
}

/** A mount that makes a file empty for the container. */
export function maskFile(path: string) {
  return bindMount('/dev/null', path, true);
}

/** A mount of a path of the host. */
export function bindMount(Source: string, Target: string, ReadOnly = false) {
  return { Type: 'bind', Source, Target, ReadOnly } as const;
}

function entrypoint({ env }: ContainerLimits): string {
  return [MARK_SDK_INSTALLED, hideRuntime(env), `exec "$@" < ${PROMPT}`].join('\n');
}

/** Has OpenCode remove the options of its runtime before a command of the agent could inherit them. */
function hideRuntime(env: Readonly<Record<string, string>>): string {
  const names = ['BUN_INSPECT_PRELOAD', ...Object.keys(RUNTIME).filter((name) => !(name in env))];
  return `
preload=$HOME/.hide-runtime.js
echo 'for (const name of ${JSON.stringify(names)}) delete Bun.env[name];' > "$preload" \\
  && export BUN_INSPECT_PRELOAD="$preload"`;
}

function command(
  { session, model, agent, taskId }: ContainerOptions,
  { permissions }: ContainerLimits,
): string[] {
  return [
    ...['opencode', 'run', '--format', 'json'],
    // Without a title OpenCode calls a model to make one.
    ...(session === undefined ? ['--title', taskId] : ['--session', session]),
    ...(model === undefined ? [] : ['--model', model]),
    ...(agent === undefined ? [] : [`--agent=${agent}`]),
    ...(permissions === 'allow' ? ['--auto'] : []),
  ];
}

function variables(options: ContainerOptions, { env }: ContainerLimits): string[] {
  const { providers } = options;
  const settings = modelSettings(options, env);
  const { OPENCODE_CONFIG_CONTENT = env.OPENCODE_CONFIG_CONTENT } = settings;
  const content = withProviders(OPENCODE_CONFIG_CONTENT, providers?.blocks ?? {});
  const all = {
    ...RUNTIME,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    ...directly(env, providers?.proxyHost),
    ...settings,
    ...(content !== undefined && { OPENCODE_CONFIG_CONTENT: content }),
    OPENCODE_PERMISSION: permissionVariable(env.OPENCODE_PERMISSION),
    HOME,
    XDG_DATA_HOME: DATA,
  };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}
