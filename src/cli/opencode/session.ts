import { chown, mkdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { thenRelease } from '../../app/release.ts';
import { BridgeError } from '../../errors.ts';
import type { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import type { OpenCodeClientManager } from '../../runners/opencode-server/client-manager.ts';
import type { Run, RunContext, TurnOutcome } from '../../runners/runner.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import { newTaskId } from '../../tasks/ids.ts';
import { apply, type Task } from '../../tasks/task.ts';

export const FILE = 'opencode-works.txt';
const LINE = 'OpenCode works.';
const ANSWER = /\bdone\b/i;
const PROMPT = `Write the file ${FILE} in the current folder, with this one line and nothing else:

${LINE}

Then answer with one word: done`;

/** Does one step of a trial; `what` names it. */
export type Step = <T>(what: string, work: () => Promise<T>) => Promise<T>;

export interface Trial {
  api: OpenCodeApi;
  manager: OpenCodeClientManager;
  /** The folder in which the trial gets its own. */
  root: string;
  /** `provider/model`; absent: what the server is configured for. */
  model?: string | undefined;
  /** Breaks it off; its reason is what is thrown then. */
  signal: AbortSignal;
  step: Step;
  /** Whether the file is read over the API too: OpenCode 1.18.33 keeps some 20 MB for each folder read so. */
  overApi: boolean;
}

/** One session from its creation to its deletion; throws where any of it is not as it should be. */
export async function trySession({ api, manager, root, model, signal, step, overApi }: Trial): Promise<void> {
  const task = await step('make a folder', () => makeFolder(root, model));
  const { directory } = task;
  const inFolder = async (): Promise<void> => {
    const requests: Requests = { run: undefined };
    const emit = (...events: TaskEventBody[]): void => answerRequests(requests, events);
    const run = await step('create a session', () => open(manager, task, { emit, past: [], signal }));
    requests.run = run;
    const inSession = async (): Promise<void> => {
      const outcome = await step('prompt it and wait for the end', () => turn(run, task.id, signal));
      await step('check the answer', async () => checkAnswer(outcome));
      const content = await step('check the file on disk', () => checkFile(directory));
      if (overApi) await step('read the file over the API', () => checkRead(api, directory, content));
    };
    await thenRelease(inSession, async () => {
      run.close();
      await step('delete the session', () => api.deleteSession(run.sessionId));
    });
  };
  await thenRelease(inFolder, () => step('remove the folder', () => removeFolder(api, directory)));
}

/** A task of its own folder, given to whoever has the root: the server may be another user. */
async function makeFolder(root: string, model: string | undefined): Promise<Task> {
  const at = Date.now();
  const taskId = newTaskId(at);
  const directory = join(await realpath(root), `.opencode-trial-${taskId}`);
  await mkdir(directory);
  const { uid, gid } = await stat(root);
  if (process.getuid?.() === 0) await chown(directory, uid, gid);
  return apply(undefined, {
    ...{ kind: 'created', seq: 1, taskId, at, agent_id: 'trial', description: 'Trial of OpenCode' },
    ...{ runner: 'opencode-server', directory, owns_directory: false, model, observers: [], timeout_ms: 0 },
  });
}

async function open(manager: OpenCodeClientManager, task: Task, context: RunContext): Promise<Run> {
  try {
    return await manager.open(task, context);
  } catch (thrown) {
    context.signal.throwIfAborted();
    throw thrown;
  }
}

async function turn(run: Run, key: string, signal: AbortSignal): Promise<TurnOutcome> {
  const stop = (): void => void run.stop().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const outcome = await run.turn({ text: PROMPT, key, record: () => undefined });
    if (outcome.kind === 'interrupted') signal.throwIfAborted();
    return outcome;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

interface Requests {
  run: Run | undefined;
}

/** Writing the file is allowed; whatever else it asks for is not needed. */
function answerRequests({ run }: Requests, events: readonly TaskEventBody[]): void {
  for (const event of events) {
    if (event.kind !== 'request_opened' || event.request.type !== 'permission') continue;
    const reply = event.request.permission === 'edit' ? 'once' : 'reject';
    const message = reply === 'reject' ? 'Not needed for this: write the file, then answer.' : undefined;
    run?.answer?.(event.request.id, { type: 'permission', reply, message }).catch(() => undefined);
  }
}

async function checkAnswer(outcome: TurnOutcome): Promise<void> {
  if (outcome.kind === 'failed') throw wrong(`${outcome.error.code}: ${outcome.error.message}`);
  if (outcome.kind === 'interrupted') throw wrong('the session was interrupted');
  if (!ANSWER.test(outcome.summary))
    throw wrong(`the model did not answer "done" but ${JSON.stringify(outcome.summary)}`);
}

async function checkFile(directory: string): Promise<Buffer> {
  const content = await readFile(join(directory, FILE)).catch(() => undefined);
  if (content === undefined) throw wrong(`the model did not write ${FILE}`);
  if (content.toString().trim() !== LINE) throw wrong(`${FILE} does not hold what was asked for`);
  return content;
}

async function checkRead(api: OpenCodeApi, directory: string, content: Buffer): Promise<void> {
  const read = await api.readFile(directory, FILE);
  if (!read.equals(content)) throw wrong(`${FILE} is another one over the API than on disk`);
}

async function removeFolder(api: OpenCodeApi, directory: string): Promise<void> {
  await api.dispose(directory).catch(() => undefined);
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

function wrong(text: string): BridgeError {
  return new BridgeError('ENGINE_ERROR', text);
}
