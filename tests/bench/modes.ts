import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { containerUserFor } from '../../src/runners/docker/container-user.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { containerOf } from '../support/docker.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { cleared, dockerMode, engineForBench } from './engine.ts';
import { type ModeRow, ms } from './report.ts';
import { median, residentMb, sideBySide, until } from './sample.ts';
import { runTask, submitTask, THREE_STEPS, TRIVIAL } from './tasks.ts';

const TURNS = 10;
const WAITING = 8;
/** Waits for the model after its first tool, for ever. */
const WAITS = `Wait. ${scriptText([bash('echo here'), { hang: 'headers' }])}`;

interface Modes {
  server: BenchBridge;
  docker: BenchBridge;
  /** Of the OpenCode server. */
  pid: number;
  model: ScriptedModel;
  /** Resolves when nothing is left of the tasks that have ended. */
  settled: () => Promise<void>;
  /** Folders that tasks may be given. */
  folders: string;
}

/** What a task takes in each mode. */
export async function* modeRows(): AsyncGenerator<ModeRow> {
  await using host = await engineForBench();
  if (host.absent !== undefined) {
    yield { what: 'all of it', server: 'not measured', docker: host.absent };
    return;
  }
  await using root = await tempDir('bench-modes-');
  await chmod(root.path, 0o755);
  const folders = join(root.path, 'folders');
  await mkdir(folders);
  const model = await startScriptedModel();
  const opencode = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url });
  const start = async (name: string, variables: Record<string, string>): Promise<BenchBridge> => {
    const env = { PATH: process.env.PATH ?? '', HOME: root.path, DATA_DIR: join(root.path, name) };
    const bounds = {
      ALLOWED_DIRECTORIES: folders,
      MAX_CONCURRENT_TASKS: String(WAITING),
      MCP_RATE_LIMIT: '0',
    };
    return startBenchBridge({ ...env, ...bounds, ...variables, LOG_LEVEL: 'warn' }, await freePort());
  };
  const server = await start('server', {
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: opencode.url,
    OPENCODE_SERVER_PASSWORD: opencode.password,
  });
  const docker = await start('docker', dockerMode(model.url));
  try {
    const settled = (): Promise<void> => cleared(join(root.path, 'docker'));
    yield* measure({ server, docker, pid: opencode.pid, model, settled, folders });
  } finally {
    await server.stop();
    await docker.stop();
    await opencode.stop();
    await model.close();
  }
}

async function* measure(modes: Modes): AsyncGenerator<ModeRow> {
  for (const bridge of [modes.server, modes.docker]) await runTask(bridge, THREE_STEPS);
  // First, while the server has nothing of other tasks.
  const memory = await memoryRows(modes);
  const trivial = await byTurns(modes, TRIVIAL);
  yield { what: `trivial task, a folder of its own, n=${TURNS}`, ...trivial.times };
  const steps = await byTurns(modes, THREE_STEPS);
  yield { what: `three-step task, a folder of its own, n=${TURNS}`, ...steps.times };
  const what = 'the same, until the first action of the agent is reported';
  yield { what, server: ms(median(steps.firsts.server)), docker: ms(median(steps.firsts.docker)) };
  const again = await byTurns(modes, THREE_STEPS, await usedFolders(modes));
  yield { what: `three-step task, a folder that has had one, n=${TURNS}`, ...again.times };
  yield* memory;
}

type Folders = Record<'server' | 'docker', string>;

/** A task in both modes, by turns: how long it takes, and how long until the agent is heard of. */
async function byTurns({ server, docker, settled }: Modes, prompt: string, folders?: Folders) {
  const tasks = { server: [] as string[], docker: [] as string[] };
  const took = await sideBySide(
    TURNS,
    async () => tasks.server.push(await runTask(server, prompt, folders?.server)),
    async () => tasks.docker.push(await runTask(docker, prompt, folders?.docker)),
    { before: settled },
  );
  const firsts = {
    server: await Promise.all(tasks.server.map((task) => untilFirst(server, task))),
    docker: await Promise.all(tasks.docker.map((task) => untilFirst(docker, task))),
  };
  return { times: { server: ms(took.first), docker: ms(took.second) }, firsts };
}

const historySchema = z.object({
  events: z.array(z.looseObject({ at: z.string().transform(Date.parse), kind: z.string() })),
});

/** From the creation of a task to the first event that tells what its agent did, by its log. */
async function untilFirst({ client }: BenchBridge, task_id: string): Promise<number> {
  const answer = await client.callTool({ name: 'get_task_history', arguments: { task_id } });
  const { events } = historySchema.parse(answer.structuredContent);
  const first = events.find(({ kind }) => kind === 'tool' || kind === 'output');
  return (first?.at ?? Number.NaN) - (events[0]?.at ?? Number.NaN);
}

/** A folder of each mode in which a task has run. */
async function usedFolders({ server, docker, folders }: Modes): Promise<Folders> {
  const paths = { server: join(folders, 'server'), docker: join(folders, 'docker') };
  for (const path of Object.values(paths)) await makeTaskDirectory(path);
  // As the bridge does with a folder that it made.
  await containerUserFor(paths.docker, true);
  await runTask(server, THREE_STEPS, paths.server);
  await runTask(docker, THREE_STEPS, paths.docker);
  return paths;
}

async function memoryRows({ server, docker, pid, model }: Modes): Promise<ModeRow[]> {
  const idle = await residentMb(pid);
  const inServer = await waitingTasks(server, model);
  const busy = await residentMb(pid);
  await cancelAll(server, inServer);
  const inDocker = await waitingTasks(docker, model);
  const each = await Promise.all(inDocker.map(containerMb));
  await cancelAll(docker, inDocker);
  return [
    { what: 'memory while no task runs', server: `${idle} MB`, docker: 'none' },
    {
      what: `memory of a task that runs, of ${WAITING} at once`,
      server: `${Math.round((busy - idle) / WAITING)} MB more`,
      docker: `${Math.round(median(each))} MB`,
    },
  ];
}

/** Tasks that all wait for the model. */
async function waitingTasks(bridge: BenchBridge, { requests }: ScriptedModel): Promise<string[]> {
  const from = requests.length;
  const tasks = await Promise.all(Array.from({ length: WAITING }, () => submitTask(bridge, WAITS)));
  const waiting = () => requests.slice(from).filter(({ step }) => step === 1).length;
  await until(() => waiting() >= WAITING, `${WAITING} tasks wait for the model`);
  return tasks;
}

async function cancelAll({ client }: BenchBridge, tasks: readonly string[]): Promise<void> {
  const cancel = (task_id: string) =>
    client.callTool({ name: 'send_task_control', arguments: { task_id, control: 'cancel' } });
  await Promise.all(tasks.map(cancel));
}

/** As `docker stats` has it: without what the kernel keeps of files and would give back. */
async function containerMb(id: string): Promise<number> {
  const { memory_stats: memory } = await (await containerOf({ id })).stats({
    stream: false,
    'one-shot': true,
  });
  const { total_inactive_file, inactive_file } = statsSchema.parse(memory.stats);
  return (memory.usage - (total_inactive_file ?? inactive_file ?? 0)) / 2 ** 20;
}

/** By the first version of cgroups, and by the second. */
const statsSchema = z.object({
  total_inactive_file: z.number().optional(),
  inactive_file: z.number().optional(),
});
