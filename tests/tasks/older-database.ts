import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts';
import type { Task } from '../../src/tasks/task.ts';

/** Makes the database of a bridge that knew the schema up to `version`, with these tasks in it. */
export function makeOlderDatabase(dataDir: string, version: number, tasks: readonly Task[]): void {
  const database = new DatabaseSync(join(dataDir, 'bridge.db'));
  for (const migration of MIGRATIONS.slice(0, version)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${version}`);
  const columns = database.prepare("SELECT name FROM pragma_table_info('tasks')").all();
  const names = new Set(columns.map(({ name }) => String(name)));
  for (const { id, description, ...state } of tasks) {
    const row: Record<string, string | number | null> = {
      id,
      description,
      agent_id: state.agentId,
      status: state.status,
      created_at: state.createdAt,
      idempotency_key: state.idempotencyKey ?? null,
      fingerprint: 'print',
      state: JSON.stringify(state),
      directory: state.directory,
      ended_at: state.endedAt ?? null,
      owns_directory: state.ownsDirectory ? 1 : 0,
    };
    const known = Object.entries(row).filter(([name]) => names.has(name));
    const holders = known.map(() => '?').join(', ');
    database
      .prepare(`INSERT INTO tasks (${known.map(([name]) => name).join(', ')}) VALUES (${holders})`)
      .run(...known.map(([, value]) => value));
  }
  database.close();
}
