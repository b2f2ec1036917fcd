#!/usr/bin/env node
// `opencode run --format json` without OpenCode, for tests of what is around it in a container: it starts in a
// tenth of a second instead of four. It asks the scripted model as OpenCode does, calls `write` and `bash` for it,
// keeps the conversation in XDG_DATA_HOME, and prints the lines of the real one (recorded with 1.18.33).
// `tests/execution/runner-contract.test.ts` runs against both. Plain JavaScript: it runs on the node of the image.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const TOOLS = { write, bash };
const id = (kind) => `${kind}_${randomUUID().replaceAll('-', '')}`;
const [command, ...args] = process.argv.slice(2);
const after = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
if (command !== 'run' || after('--format') !== 'json') throw new Error(`not scripted: ${process.argv}`);

const sessionID = after('--session') ?? id('ses');
const file = join(process.env.XDG_DATA_HOME, 'opencode', `${sessionID}.json`);
if (after('--session') !== undefined && !existsSync(file)) {
  process.stderr.write('Error: Session not found\n');
  process.exit(1);
}
const messages = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];

function say(...more) {
  messages.push(...more);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(messages));
}

function print(type, messageID, part) {
  const line = {
    type,
    timestamp: Date.now(),
    sessionID,
    part: { id: id('prt'), messageID, sessionID, ...part },
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** One answer of the model, or the error that it is. */
async function ask() {
  const { baseURL, apiKey } = JSON.parse(process.env.OPENCODE_CONFIG_CONTENT).provider.mock.options;
  const body = {
    model: 'm1',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'system', content: 'You are opencode.' }, ...messages],
    tools: Object.keys(TOOLS).map((name) => ({ type: 'function', function: { name } })),
  };
  const response = await fetch(`${baseURL}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${apiKey}`,
      'x-session-affinity': sessionID,
    },
    body: JSON.stringify(body),
  });
  const answer = await response.text();
  if (!response.ok) {
    const { message } = JSON.parse(answer).error;
    return {
      error: { name: 'APIError', data: { message, statusCode: response.status, isRetryable: false } },
    };
  }
  const said = { content: '', calls: [], finish: 'stop', usage: { prompt_tokens: 0, completion_tokens: 0 } };
  for (const line of answer.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const { choices = [], usage } = JSON.parse(line.slice('data: '.length));
    if (usage) said.usage = usage;
    for (const { delta = {}, finish_reason } of choices) {
      said.content += delta.content ?? '';
      said.finish = finish_reason ?? said.finish;
      for (const { index, id: callID, function: called = {} } of delta.tool_calls ?? []) {
        said.calls[index] ??= { id: callID, name: called.name, arguments: '' };
        said.calls[index].arguments += called.arguments ?? '';
      }
    }
  }
  return said;
}

async function write({ filePath, content }) {
  const path = resolve(filePath);
  const exists = existsSync(path);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  const metadata = { diagnostics: {}, filepath: path, exists, truncated: false };
  return { output: 'Wrote file successfully.', title: path.slice(1), metadata };
}

async function bash({ command }) {
  const child = spawn('/bin/bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more) => (output += more));
  const exit = await new Promise((done) => child.on('close', done));
  return { output, title: command, metadata: { output, exit, truncated: false } };
}

async function call({ id: callID, name, arguments: json }, messageID) {
  const input = JSON.parse(json);
  const start = Date.now();
  const { output, title, metadata } = await TOOLS[name](input);
  const time = { start, end: Date.now() };
  const state = { status: 'completed', input, output, metadata, title, time };
  print('tool_use', messageID, { type: 'tool', tool: name, callID, state });
  return { role: 'tool', tool_call_id: callID, content: output };
}

/** One step; whether the model wants another. */
async function step() {
  const messageID = id('msg');
  const { error, content, calls, finish, usage } = await ask();
  if (error) {
    process.stdout.write(`${JSON.stringify({ type: 'error', timestamp: Date.now(), sessionID, error })}\n`);
    process.exitCode = 1;
    return false;
  }
  print('step_start', messageID, { type: 'step-start' });
  if (content !== '') print('text', messageID, { type: 'text', text: content });
  const results = [];
  for (const each of calls) results.push(await call(each, messageID));
  const tool_calls = calls.map((each) => ({
    id: each.id,
    type: 'function',
    function: { name: each.name, arguments: each.arguments },
  }));
  say({ role: 'assistant', content, ...(tool_calls.length > 0 && { tool_calls }) }, ...results);
  const { prompt_tokens: input, completion_tokens: output } = usage;
  print('step_finish', messageID, {
    type: 'step-finish',
    reason: finish === 'tool_calls' ? 'tool-calls' : finish,
    tokens: { total: input + output, input, output, reasoning: 0, cache: { write: 0, read: 0 } },
    cost: (input + 2 * output) / 1e6,
  });
  return finish === 'tool_calls';
}

say({ role: 'user', content: await text(process.stdin) });
while (await step());
