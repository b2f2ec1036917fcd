import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { RECOVERY } from '../../src/execution/replay.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { isEnd, type Task, type TaskStatus } from '../../src/tasks/task.ts';
import type { Handed } from './traffic.ts';

const ALL = 1_000_000;
/** Characters of an event that are shown. */
const LINE = 300;

/** What the records of a run say; each list has one line for each time that a promise was broken. */
export interface Audit {
  accepted: number;
  /** Tasks by how they ended, with the code of their error. */
  ended: Map<string, number>;
  lost: string[];
  twice: string[];
  gaps: string[];
  /** Nobody disturbed them, they say that they are done, and their work is not there. */
  hollow: string[];
  /** Ran into their limit or failed; nothing that is done to them is a reason to, but that OpenCode dies too often. */
  unfinished: string[];
  /** The logs of those tasks of which one of the lists speaks. */
  logs: string[];
}

/** Compares what agents handed over with the store of a bridge that has ended, with OpenCode's sessions and with the files. */
export async function audit(
  handed: readonly Handed[],
  agents: readonly string[],
  dataDir: string,
  opencode: OpencodeClient,
): Promise<Audit> {
  const store = new SqliteTaskStore(openDatabase(dataDir));
  try {
    const found: Audit = {
      accepted: handed.filter(({ id }) => id !== undefined).length,
      ended: new Map(),
      lost: [],
      twice: [],
      gaps: [],
      hollow: [],
      unfinished: [],
      logs: [],
    };
    const tasks = agents.flatMap((agentId) => store.list({ agentId, limit: ALL }).tasks);
    for (const order of handed) {
      const own = tasks.filter(({ idempotencyKey }) => idempotencyKey === order.key);
      const [task] = own;
      if (own.length > 1) found.twice.push(`${order.key}: ${own.length} tasks`);
      if (!task || (order.id !== undefined && task.id !== order.id)) {
        found.lost.push(
          `${order.key}: answered as ${order.id ?? 'nothing'}, stored as ${task?.id ?? 'nothing'}`,
        );
      } else {
        const events = store.events(task.id, 0, ALL);
        const before = brokenOf(found);
        await auditTask(task, events, order, opencode, found);
        if (brokenOf(found) > before) {
          const told = [...events.map(lineOf), ...(await recordsOf(task, opencode))];
          found.logs.push(`${order.key}:\n${told.join('\n')}`);
        }
      }
    }
    return found;
  } finally {
    store.close();
  }
}

function brokenOf({ lost, twice, gaps, hollow, unfinished }: Audit): number {
  return lost.length + twice.length + gaps.length + hollow.length + unfinished.length;
}

function lineOf({ taskId: _, seq, at, ...event }: TaskEvent): string {
  return `    ${seq} ${new Date(at).toISOString()} ${JSON.stringify(event).slice(0, LINE)}`;
}

/** What OpenCode has on record of a task's session, a line for each message. */
async function recordsOf({ sessionId, directory }: Task, opencode: OpencodeClient): Promise<string[]> {
  if (sessionId === undefined) return ['    no session'];
  const { data: statuses } = await opencode.session.status({ directory });
  const { data: messages } = await opencode.session.messages({ sessionID: sessionId });
  const status = JSON.stringify(statuses?.[sessionId] ?? 'idle');
  return [
    `    in OpenCode: ${status}`,
    ...(messages ?? []).map(({ info, parts }) => {
      const told = parts.map((part) =>
        part.type === 'tool' ? `${part.tool} ${part.state.status}` : part.type,
      );
      return `    ${JSON.stringify(info).slice(0, LINE)} [${told.join(', ')}]`;
    }),
  ];
}

async function auditTask(
  task: Task,
  events: readonly TaskEvent[],
  order: Handed,
  opencode: OpencodeClient,
  found: Audit,
): Promise<void> {
  const name = `${order.key} (${task.id})`;
  const state = task.error ? `${task.status}: ${task.error.code}` : task.status;
  found.ended.set(state, (found.ended.get(state) ?? 0) + 1);
  if (!isEnd(task.status)) found.lost.push(`${name} is ${task.status}`);
  const { error } = task;
  if (error && task.status !== 'cancelled' && error.code !== 'ENGINE_LOST') {
    found.unfinished.push(`${name} is ${task.status}: ${error.code}: ${error.message}`);
  }
  const ends = events.filter(({ kind }) => isEnd(kind as TaskStatus)).length;
  if (ends > 1) found.twice.push(`${name}: ${ends} ends`);
  events.forEach(({ seq }, index) => {
    if (seq !== index + 1) found.gaps.push(`${name}: seq ${seq} at place ${index + 1}`);
  });
  const prompts = await marksOf(task, opencode);
  for (const mark of new Set(prompts)) {
    const times = prompts.filter((other) => other === mark).length;
    if (times > 1) found.twice.push(`${name}: the prompt with ${mark} is ${times} times in its session`);
  }
  const ran = await linesOf(join(task.directory, `ran-${order.key}.txt`));
  const recovered = events.some((event) => event.kind === 'message' && event.type === RECOVERY);
  if (ran > 1)
    found.twice.push(`${name}: its first step ran ${ran} times${recovered ? ', after a recovery' : ''}`);
  const made = await linesOf(join(task.directory, `made-${order.key}.txt`));
  if (task.status === 'completed' && !order.disturbed && !recovered && (ran !== 1 || made !== 1)) {
    found.hollow.push(`${name}: its first step ran ${ran} times, its file has ${made} lines`);
  }
}

/** What the user messages of a task's session are marked with, each as often as it is there. */
async function marksOf({ sessionId }: Task, opencode: OpencodeClient): Promise<string[]> {
  if (sessionId === undefined) return [];
  const { data: messages } = await opencode.session.messages({ sessionID: sessionId });
  const said = (messages ?? []).filter(({ info }) => info.role === 'user').flatMap(({ parts }) => parts);
  return said.flatMap((part) => (part.type === 'text' ? (part.text.match(/\[(key|note)-\d+\]/g) ?? []) : []));
}

async function linesOf(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}
