import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { quote } from '../src/errors.ts';
import { resultOf } from '../src/execution/termination.ts';
import { project, type WorkspaceBlock } from '../src/memory/block.ts';
import { outcomeMessage } from '../src/notifications/letta/outcome-message.ts';
import { RunOutput } from '../src/runners/docker/run-output.ts';
import {
  permissionRequest,
  questionRequest,
  toolEvents,
} from '../src/runners/opencode-protocol/translate.ts';
import { describeEvent } from '../src/tasks/describe-event.ts';
import { NO_USAGE } from '../src/tasks/events.ts';
import { isEnd } from '../src/tasks/task.ts';
import { startScriptedBridge } from './mcp/bridge.ts';
import { halvesIn, splittable } from './support/well-formed.ts';

/** Strict readers, such as Python's, refuse a whole answer for one half of a surrogate pair. */
it('no half of a character leaves the bridge: answers of all tools, the log, blocks, messages', async () => {
  await using bridge = await startScriptedBridge({
    limits: { maxDescriptionLength: 100_000, maxConcurrent: 100 },
  });
  const client = await bridge.client();
  const directory = join(bridge.workspaceDir, 'project');
  await mkdir(directory);
  await writeFile(join(directory, 'a\u0301😀.txt'), 'x😀'.repeat(50));
  const told: unknown[] = [];
  bridge.services.block = async (taskId) => blockOf(taskId);
  const blockOf = (taskId: string): WorkspaceBlock | undefined => {
    let block: WorkspaceBlock | undefined;
    for (const event of bridge.log.store.events(taskId, 0, 1_000))
      block = project(block, event, { maxEvents: 50, limit: 20_000 });
    return block;
  };

  await fc.assert(
    fc.asyncProperty(splittable, splittable, async (text, more) => {
      const call = async (name: string, args: Record<string, unknown>) => {
        const called = await client.call(name, args);
        told.push(called);
        expect(halvesIn(called), name).toBeUndefined();
        return called;
      };
      const agent_id = 'agent-1';
      const started = await call('opencode_execute_task', {
        task_description: `do ${text}`,
        agent_id,
        directory,
      });
      const task_id = z.string().parse(started.structured.task_id);
      const run = await bridge.runner.turnOf(task_id);
      run.emit({ kind: 'output', text, message_id: 'm', part_id: 'p' });
      run.emit({ kind: 'todo', items: [{ content: text, status: more, priority: 'high' }] });
      run.emit({ kind: 'retrying', attempt: 1, message: more, next_at: 0 });
      run.emit({ kind: 'file_changed', path: text, tool: more });
      run.tool('bash', text, more);
      run.ask({ id: 'per_1', type: 'permission', title: text, permission: more, patterns: [text, more] });
      await call('get_task_status', { task_id, agent_id });
      await call('answer_task_request', { task_id, agent_id, request_id: text, reply: 'once' });
      await call('answer_task_request', {
        task_id,
        agent_id,
        request_id: 'per_1',
        reply: 'reject',
        message: more,
      });
      await call('send_task_control', { task_id, agent_id, control: more });
      if (text.length % 3 === 0) run.complete(text);
      else if (text.length % 3 === 1) run.fail('TASK_FAILED', text);
      else {
        await call('send_task_message', { task_id, agent_id, message: `go ${more}` });
        await call('send_task_control', { task_id, agent_id, control: 'cancel', reason: `no ${more}` });
      }
      // Too long a reason is refused.
      await call('send_task_control', { task_id, agent_id, control: 'cancel' });
      const task = await bridge.until(task_id, ({ status }) => isEnd(status));
      await call('get_task_status', { task_id, agent_id });
      await call('get_task_history', { task_id, agent_id, include_artifacts: true });
      await call('get_task_files', { task_id, agent_id });
      await call('get_task_files', { task_id, agent_id, path: text });
      await call('read_task_file', { task_id, agent_id, file_path: 'a\u0301😀.txt', offset: 3, limit: 3 });
      await call('read_task_file', { task_id, agent_id, file_path: more });
      await call('list_tasks', { agent_id });
      await call('ping', { [text]: more });
      const events = bridge.log.store.events(task_id, 0, 1_000);
      const sent = [task, events, events.map(describeEvent), blockOf(task_id), outcomeMessage(task)];
      expect(halvesIn(sent)).toBeUndefined();
    }),
    { numRuns: 40 },
  );
  expect(JSON.stringify(told)).toContain('😀');
});

it('text is cut between two characters where it is cut: titles, outputs, summaries, quotes, lines', () => {
  const whole = splittable.map((text) => text.toWellFormed());
  fc.assert(
    fc.property(whole, whole, fc.integer({ min: 1, max: 500 }), (text, more, limit) => {
      const time = { start: 0, end: 1 };
      const part = {
        id: 'p',
        sessionID: 's',
        messageID: 'm',
        type: 'tool' as const,
        callID: 'c',
        tool: 'bash',
      };
      const input = { command: text };
      const asked = {
        id: 'i',
        sessionID: 's',
        permission: 'bash',
        patterns: [text],
        metadata: { command: more },
      };
      const question = { question: text, header: more, options: [] };
      const lines = new RunOutput('/folder', [], NO_USAGE);
      expect(
        halvesIn([
          toolEvents({ ...part, state: { status: 'error', input, error: more, time } }, '/folder'),
          toolEvents(
            { ...part, state: { status: 'completed', input, output: more, title: text, metadata: {}, time } },
            '/folder',
          ),
          permissionRequest(asked),
          questionRequest({ id: 'i', sessionID: 's', questions: [question] }),
          resultOf({ kind: 'completed', summary: text, finish: 'stop' }, [], []),
          quote(text, limit),
          lines.read('stderr', Buffer.from(`${text}\n! permission requested: ${text}; auto-rejecting\n`)),
          lines.report,
        ]),
      ).toBeUndefined();
    }),
  );
});

it('a log that holds halves from before is read without them', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const store = bridge.log.store;
  store.append(
    'task_old',
    [
      {
        kind: 'created',
        agent_id: 'agent-1',
        description: 'an old task',
        runner: 'opencode-server',
        directory: bridge.workspaceDir,
        owns_directory: false,
        observers: [],
        timeout_ms: 1_000,
      },
      {
        kind: 'completed',
        result: { summary: 'half \ud83d', files_changed: [], files_changed_total: 0, finish: 'stop' },
      },
    ],
    1,
  );
  expect(
    halvesIn([store.get('task_old'), store.events('task_old', 0, 10), store.eventsAfter(0, 10)]),
  ).toBeUndefined();
  const { structured } = await client.ok('get_task_status', { task_id: 'task_old', agent_id: 'agent-1' });
  expect(structured.result).toMatchObject({ summary: 'half \ufffd' });
});
