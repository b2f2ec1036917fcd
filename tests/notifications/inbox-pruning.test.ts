import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { type MatrixEvent, matrixEvent } from '../../src/matrix/events.ts';
import { Inbox } from '../../src/matrix/inbound/inbox.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteInboxStore } from '../../src/store/sqlite/sqlite-inbox-store.ts';
import { ManualClock } from '../support/clock.ts';
import { tempDir } from '../support/temp.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let store: SqliteInboxStore<MatrixEvent>;
let clock: ManualClock;
let inbox: Inbox;

beforeEach(async () => {
  folder = await tempDir('inbox-');
  database = openDatabase(folder.path);
  store = new SqliteInboxStore(database, (event) => matrixEvent.parse(event));
  clock = new ManualClock();
  const never = () => Promise.reject(new Error('nothing was said'));
  inbox = new Inbox({
    store,
    routes: { find: never },
    execute: never,
    send: never,
    logger: createLogger('silent'),
    clock,
  });
});

afterEach(async () => {
  await inbox.close();
  expect(clock.pending).toBe(0);
  database.close();
  await folder.remove();
});

/** What people said, and was answered. */
function answered(count: number, name = 'event'): void {
  const ids = Array.from({ length: count }, (_, n) => `$${name}${n}`);
  const event = (event_id: string) => ({
    event_id,
    type: 'm.room.message',
    sender: '@ann:mx',
    origin_server_ts: 1,
    content: {},
  });
  store.add(
    ids.map((id) => ({ roomId: '!room', event: event(id) })),
    clock.now(),
  );
  for (const id of ids) store.close(id);
}

const storedCount = () => Number(database.prepare('SELECT count(*) AS n FROM matrix_inbox').get()?.n);

it('forgets what was answered 30 days ago while the bridge runs, not only when it starts', async () => {
  inbox.start();
  answered(3, 'first');
  await clock.advance(20 * DAY);
  answered(2, 'second');
  await clock.advance(9 * DAY);
  expect(storedCount()).toBe(5);
  await clock.advance(DAY + 2 * HOUR);
  expect(storedCount()).toBe(2);
  await clock.advance(20 * DAY);
  expect(storedCount()).toBe(0);
});

it('forgets many in steps, between which others get their turn', async () => {
  answered(1_200);
  await clock.advance(31 * DAY);
  inbox.start();
  expect(storedCount()).toBe(700);
  await clock.advance(5_000);
  expect(storedCount()).toBe(0);
});

it('tries again where the database failed', async () => {
  answered(1);
  await clock.advance(31 * DAY);
  database.exec(
    "CREATE TEMP TRIGGER broken BEFORE DELETE ON matrix_inbox BEGIN SELECT raise(ABORT, 'no'); END",
  );
  inbox.start();
  expect(storedCount()).toBe(1);
  database.exec('DROP TRIGGER broken');
  await clock.advance(2 * HOUR);
  expect(storedCount()).toBe(0);
});
