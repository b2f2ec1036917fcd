import { randomUUID } from 'node:crypto';
import { chown, mkdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { thenRelease } from '../../app/release.ts';
import { BridgeError } from '../../errors.ts';
import type { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import type { EventStream } from '../../runners/opencode-server/event-stream.ts';
import { type PermissionReply, PlainSession } from '../../runners/opencode-server/plain-session.ts';

export const FILE = 'opencode-works.txt';
const LINE = 'OpenCode works.';
const ANSWER = /\bdone\b/i;
const PROMPT = `Write the file ${FILE} in the current folder, with this one line and nothing else:

${LINE}

Then answer with one word: done`;

/** Runs one step of a trial; `what` names it. */
export type Step = <T>(what: string, work: () => Promise<T>) => Promise<T>;

export interface Trial {
  api: OpenCodeApi;
  stream: EventStream;
  /** The folder in which the trial makes its own. */
  root: string;
  /** `provider/model`; absent: what the server is configured for. */
  model?: string | undefined;
  agent?: string | undefined;
  /** Stops the trial, which then throws the reason. */
  signal: AbortSignal;
  step: Step;
  /** Whether to read the file over the API too: OpenCode 1.18.33 keeps about 20 MB for each folder read so. */
  overApi: boolean;
}

/** One session from its creation to its deletion; throws at the first step that fails. */
export async function runTrial(trial: Trial): Promise<void> {
  const { api, stream, root, model, agent, signal, step, overApi } = trial;
  const directory = await step('make a folder', () => makeFolder(root));
  const inFolder = async (): Promise<void> => {
    const options = { api, stream, directory, title: 'Trial of OpenCode', model, agent, decide };
    signal.throwIfAborted();
    const session = await step('create a session', () => PlainSession.create(options));
    const inSession = async (): Promise<void> => {
      const answer = await step('prompt it and wait for the end', () => session.prompt(PROMPT, signal));
      await step('check the answer', async () => checkAnswer(answer));
      const content = await step('check the file on disk', () => checkFile(directory));
      if (overApi) await step('read the file over the API', () => checkRead(api, directory, content));
    };
    await thenRelease(inSession, () => step('delete the session', () => session.delete()));
  };
  await thenRelease(inFolder, () => step('remove the folder', () => removeFolder(api, directory)));
}

/** Gives the folder to the owner of the root: the server may run as another user. */
async function makeFolder(root: string): Promise<string> {
  const directory = join(await realpath(root), `.opencode-trial-${randomUUID()}`);
  await mkdir(directory);
  const { uid, gid } = await stat(root);
  if (process.getuid?.() === 0) await chown(directory, uid, gid);
  return directory;
}

/** The prompt needs permission to write the file, and no other. */
function decide(permission: string): PermissionReply {
  if (permission === 'edit') return { reply: 'once' };
  return { reply: 'reject', message: 'Not needed for this: write the file, then answer.' };
}

function checkAnswer(answer: string): void {
  if (!ANSWER.test(answer)) throw wrong(`the model did not answer "done" but ${JSON.stringify(answer)}`);
}

async function checkFile(directory: string): Promise<Buffer> {
  const content = await readFile(join(directory, FILE)).catch(() => undefined);
  if (content === undefined) throw wrong(`the model did not write ${FILE}`);
  if (content.toString().trim() !== LINE) throw wrong(`${FILE} does not contain what the prompt asked for`);
  return content;
}

async function checkRead(api: OpenCodeApi, directory: string, content: Buffer): Promise<void> {
  const read = await api.readFile(directory, FILE);
  if (!read.equals(content)) throw wrong(`${FILE} differs between the API and the disk`);
}

async function removeFolder(api: OpenCodeApi, directory: string): Promise<void> {
  await api.dispose(directory).catch(() => undefined);
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

function wrong(text: string): BridgeError {
  return new BridgeError('ENGINE_ERROR', text);
}
