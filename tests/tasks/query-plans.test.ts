import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { matrixEvent } from '../../src/matrix/events.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBlockStore } from '../../src/store/sqlite/sqlite-block-store.ts';
import { SqliteBrowserSessionStore } from '../../src/store/sqlite/sqlite-browser-session-store.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteInboxStore } from '../../src/store/sqlite/sqlite-inbox-store.ts';
import { SqliteMcpSessionStore } from '../../src/store/sqlite/sqlite-mcp-session-store.ts';
import { SqliteProviderKeyStore } from '../../src/store/sqlite/sqlite-provider-key-store.ts';
import { signingKeyOf } from '../../src/store/sqlite/sqlite-signing-keys.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { tempDir } from '../support/temp.ts';

const SRC = join(import.meta.dirname, '../../src');
/** What does not grow: no table, a row for each status or table, at most 10,000 sessions of browsers and of MCP, providers that an operator has set, and tasks that have not ended. */
const SCANNED =
  /^SCAN (CONSTANT ROW|task_counts|sqlite_sequence|(browser|mcp)_sessions USING COVERING INDEX \w+|provider_keys|tasks USING (COVERING )?INDEX tasks_unfinished)$/;

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
/** Statements by the file that prepared them. */
let prepared: { sql: string; file: string }[];

beforeEach(async () => {
  folder = await tempDir('plans-');
  database = openDatabase(folder.path);
  prepared = [];
  const prepare = database.prepare.bind(database);
  database.prepare = (sql) => {
    prepared.push({ sql, file: callerOf(new Error().stack) });
    return prepare(sql);
  };
  new SqliteTaskStore(database);
  new SqliteTaskRemovals(database);
  new SqliteDeliveryStore(database, 'letta');
  new SqliteInboxStore(database, (event) => matrixEvent.parse(event));
  new SqliteBlockStore(database);
  new SqliteBrowserSessionStore(database);
  new SqliteProviderKeyStore(database);
  new SqliteMcpSessionStore(database);
  signingKeyOf(database, 'any');
  database.prepare = prepare;
});

afterEach(async () => {
  database.close();
  await folder.remove();
});

function callerOf(stack = ''): string {
  const path = stack.split('\n').find((line) => line.includes(SRC)) ?? '';
  return relative(SRC, path.slice(path.indexOf(SRC)).replace(/(\.ts).*/, '$1'));
}

/** The steps by which SQLite does a statement; without statistics, which the bridge never gathers, they are the same for all data. */
function planOf(sql: string): string[] {
  return database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail));
}

it('looks at the statements of every file that has some', () => {
  const files = globSync('**/*.ts', { cwd: SRC }).filter((file) =>
    /database\.prepare\(/i.test(readFileSync(join(SRC, file), 'utf8')),
  );
  // Of the pragmas alone.
  const others = files.filter((file) => file !== join('store', 'sqlite', 'database.ts'));
  expect(new Set(prepared.map(({ file }) => file))).toEqual(new Set(others));
  const written = others.flatMap(
    (file) => readFileSync(join(SRC, file), 'utf8').match(/[^.]\bprepare\(/g) ?? [],
  );
  expect(prepared).toHaveLength(written.length);
});

it('no statement reads a table from end to end, or sorts what it has read', () => {
  const bad = prepared.flatMap(({ sql }) =>
    planOf(sql)
      .filter((step) => (step.startsWith('SCAN') && !SCANNED.test(step)) || step.includes('TEMP B-TREE'))
      .map((step) => `${step}: ${sql}`),
  );
  expect(bad).toEqual([]);
});

it.each([
  ['countByStatus', 'SELECT status, n FROM', 'SCAN task_counts'],
  ['findByKey', 'AND idempotency_key = ?', '(agent_id=? AND idempotency_key=? AND created_at>?)'],
  ['hasSession', "state ->> 'sessionId'", 'tasks_by_session (<expr>=?)'],
  ['list', 'agent_id = ? AND id >', 'COVERING INDEX tasks_by_agent (agent_id=? AND id>? AND id<?)'],
  [
    'list by status',
    'agent_id = ? AND status',
    'COVERING INDEX tasks_by_status (agent_id=? AND status=? AND id>? AND id<?)',
  ],
  ['events', 'task_id = ? AND seq >', '(task_id=? AND seq>?)'],
  ['closedRequest', "->> 'request_id'", 'events_closing_request (task_id=? AND <expr>=?)'],
  ['lastControl', "'control' ORDER BY seq", 'events_of_control (task_id=?)'],
  ['hasRef', "->> 'ref'", 'events_by_ref (task_id=? AND <expr>=?)'],
  ['removals', 'FROM removals WHERE n >', '(rowid>?)'],
  ['eventsAfter', 'body FROM events WHERE position > ? ORDER BY position LIMIT', '(rowid>?)'],
  ['changed', 'position <= ?) AND agent_id', 'events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
  ['changed of all', 'position <= ?) ORDER', 'events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
  ['list of all', 'tasks_of_all WHERE', 'COVERING INDEX tasks_of_all (id>? AND id<?)'],
  [
    'list of all by status',
    'tasks_of_all_by_status',
    'COVERING INDEX tasks_of_all_by_status (status=? AND id>? AND id<?)',
  ],
  ['due', 'ended_at < ?', '(removed=? AND (ended_at,id)>(?,?) AND ended_at<?)'],
  ['a removed folder', 'removed AND owns_directory LIMIT', 'tasks_removed (directory=?)'],
  ['open deliveries of a task', 'task_id = ? AND NOT settled', '(task_id=?)'],
  ['unread events', "'delivery:'", '(sink>? AND sink<?)'],
  ['folder', 'owns_directory = 0', 'tasks_by_directory (directory=? AND owns_directory=?)'],
  ['open deliveries', 'NOT settled AND', 'deliveries_open (sink=? AND task_id>?)'],
  ['given up', 'sum(given_up)', 'deliveries_given_up (sink=? AND given_up>?)'],
  ['open inbox', 'NOT answered AND position', 'matrix_inbox_open (position>?)'],
  ['prune', 'WHERE answered AND at <', 'matrix_inbox_answered (at<?)'],
])('%s is bounded by all that it asks for', (_, part, bound) => {
  const found = prepared.filter(({ sql }) => sql.includes(part));
  expect(found).toHaveLength(1);
  expect(planOf(found[0]?.sql ?? '').join('; ')).toContain(bound);
});

it('each statement reads by the indexes, and as little, as was looked at with 100,000 tasks', async () => {
  const plans = prepared.map(({ sql, file }) =>
    [`${file}: ${sql.replace(/\s+/g, ' ')}`, ...planOf(sql).map((step) => `  ${step}`)].join('\n'),
  );
  await expect(`${plans.sort().join('\n')}\n`).toMatchFileSnapshot('query-plans.snap');
});
