import { Agent, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { modernHeaders, modernRequest } from './modern.ts';

interface Load {
  /** Of the MCP endpoint. */
  url: string;
  clients: number;
  /** How many requests each sends a second at most; the next one waits for the answer to the one before. */
  perSecond: number;
  /** For how long; each client asks twice even where the machine is too slow for that. */
  ms: number;
}

export interface LoadResult {
  answers: number;
  /** How many of them are not what was asked for, and the first of those. */
  wrong: number;
  examples: string[];
}

/** What one request asks, and what its answer must hold. */
interface Question {
  method: string;
  params: object;
  name?: string;
  /** A part of the result, as it is on the wire. */
  expected: string;
}

const SHOWN = 5;
const AT_LEAST = 2;
const answerSchema = z.object({ id: z.string(), result: z.object({ resultType: z.literal('complete') }) });

/** Clients of the revision without sessions, each with a connection of its own that it keeps. */
export async function modernLoad({ url, clients, perSecond, ms }: Load): Promise<LoadResult> {
  const result: LoadResult = { answers: 0, wrong: 0, examples: [] };
  const agents = Array.from({ length: clients }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const until = performance.now() + ms;
  const every = 1_000 / perSecond;
  const client = async (agent: Agent, index: number): Promise<void> => {
    // Not all in the same moment.
    await sleep((every * index) / clients);
    for (let n = 0; n < AT_LEAST || performance.now() < until; n += 1) {
      const began = performance.now();
      const wrong = await ask(url, agent, `${index}-${n}`, questionOf(index, n)).catch(String);
      result.answers += 1;
      if (wrong !== undefined) {
        result.wrong += 1;
        if (result.examples.length < SHOWN) result.examples.push(wrong);
      }
      await sleep(Math.max(0, began + every - performance.now()));
    }
  };
  await Promise.all(agents.map(client));
  for (const agent of agents) agent.destroy();
  return result;
}

/** By turns: what every client asks first, trivial tools, and one whose answer only this request can get. */
function questionOf(client: number, n: number): Question {
  const unknown = `task_unknown${client}x${n}`;
  const questions: Question[] = [
    { method: 'server/discover', params: {}, expected: '"supportedVersions":["2026-07-28"]' },
    { method: 'tools/list', params: {}, expected: '"name":"opencode_execute_task"' },
    call('ping', {}, '"pong":true'),
    call('list_tasks', { agent_id: `agent-${client}` }, '"tasks":[]'),
    call('get_task_status', { agent_id: `agent-${client}`, task_id: unknown }, unknown),
  ];
  return questions[(client + n) % questions.length] ?? call('ping', {}, '"pong":true');
}

function call(name: string, args: object, expected: string): Question {
  return { method: 'tools/call', params: { name, arguments: args }, name, expected };
}

/** What is wrong with the answer; undefined if it is right. */
async function ask(url: string, agent: Agent, id: string, question: Question): Promise<string | undefined> {
  const { method, params, name, expected } = question;
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...modernHeaders(method, name),
  };
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const sent = request(url, { method: 'POST', agent, headers }, async (response) => {
    const body = await json(response).catch(String);
    const answer = answerSchema.safeParse(body).data;
    const text = JSON.stringify(body);
    const isRight = response.statusCode === 200 && answer?.id === id && text.includes(expected);
    // A bridge that names a session would keep one.
    const keeps = response.headers['mcp-session-id'] !== undefined;
    resolve(isRight && !keeps ? undefined : `${method} ${id}: ${response.statusCode} ${text.slice(0, 500)}`);
  });
  sent.on('error', (error: NodeJS.ErrnoException) => {
    // A server may close a connection that it takes for idle while the next request is on its way, as Node's manual says of `reusedSocket`.
    if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(ask(url, agent, id, question));
    else reject(error);
  });
  sent.end(JSON.stringify(modernRequest(method, params, { id })));
  return promise;
}
