import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';
import type { Row } from './report.ts';

const EVENTS = 20_000;
const FOLLOWERS = 4;

/** How fast events are stored. */
export async function* eventLogRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-log-');
  const rate = await eventsPerSecond(root.path);
  yield {
    what: 'stored events a second, one by one, four followers',
    measured: rate.toLocaleString('en'),
    comparison: '',
    goal: 'at least 5,000',
    ok: rate >= 5_000,
  };
}

/** Events stored one by one per second while four followers hear each. */
async function eventsPerSecond(dataDir: string): Promise<number> {
  const log = new EventLog(new SqliteTaskStore(openDatabase(dataDir)));
  log.create('task_1', created(), 'print');
  let heard = 0;
  const followers = Array.from({ length: FOLLOWERS }, async () => {
    for await (const _ of log.follow('task_1', 0)) heard += 1;
  });
  const start = performance.now();
  for (let n = 0; n < EVENTS; n += 1) {
    log.append('task_1', { kind: 'output', text: 'hello '.repeat(20), message_id: 'm', part_id: `p${n}` });
    if (n % 10 === 0) await new Promise(setImmediate);
  }
  log.append('task_1', { kind: 'cancelled', by: 'bench' });
  await Promise.all(followers);
  const seconds = (performance.now() - start) / 1000;
  log.store.close();
  if (heard !== FOLLOWERS * (EVENTS + 2)) throw new Error(`followers heard ${heard} events`);
  return Math.round(EVENTS / seconds);
}
