/** Each entry migrates the schema from its index to the next version (`PRAGMA user_version`). */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE tasks (
     id TEXT PRIMARY KEY,
     agent_id TEXT NOT NULL,
     status TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     idempotency_key TEXT,
     fingerprint TEXT,
     description TEXT NOT NULL,
     state TEXT NOT NULL
   ) STRICT;
   CREATE INDEX tasks_by_agent ON tasks (agent_id, id);
   CREATE INDEX tasks_by_key ON tasks (agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
   CREATE INDEX tasks_unfinished ON tasks (id)
     WHERE status NOT IN ('completed', 'failed', 'timeout', 'cancelled');
   CREATE TABLE events (
     position INTEGER PRIMARY KEY AUTOINCREMENT,
     task_id TEXT NOT NULL REFERENCES tasks (id),
     seq INTEGER NOT NULL,
     at INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX events_by_task ON events (task_id, seq);
   CREATE TABLE cursors (sink TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT;
   CREATE TABLE workspace_blocks (
     id TEXT PRIMARY KEY,
     task_id TEXT NOT NULL UNIQUE,
     value TEXT NOT NULL
   ) STRICT;`,
  // `removed`: the task is hidden from all callers while it is being removed.
  `ALTER TABLE tasks ADD COLUMN directory TEXT NOT NULL DEFAULT '';
   ALTER TABLE tasks ADD COLUMN ended_at INTEGER;
   ALTER TABLE tasks ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
   UPDATE tasks SET directory = state ->> 'directory', ended_at = state ->> 'endedAt';
   CREATE INDEX tasks_by_directory ON tasks (directory);
   CREATE INDEX tasks_by_end ON tasks (removed, ended_at, id) WHERE ended_at IS NOT NULL;`,
  // Progress of each sink for each task. `settled`: nothing more is delivered. `notes`: the state of the sink.
  `CREATE TABLE deliveries (
     sink TEXT NOT NULL,
     task_id TEXT NOT NULL REFERENCES tasks (id),
     seq INTEGER NOT NULL DEFAULT 0,
     notes TEXT,
     due_at INTEGER,
     first_failed_at INTEGER,
     attempts INTEGER NOT NULL DEFAULT 0,
     given_up INTEGER NOT NULL DEFAULT 0,
     settled INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (sink, task_id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX deliveries_open ON deliveries (sink, task_id) WHERE NOT settled;
   CREATE INDEX deliveries_by_task ON deliveries (task_id);`,
  // Events from Matrix. `outcome`: begun, or the reply to send. `answered`: the reply was sent.
  `CREATE TABLE matrix_inbox (
     position INTEGER PRIMARY KEY AUTOINCREMENT,
     event_id TEXT NOT NULL UNIQUE,
     room_id TEXT NOT NULL,
     body TEXT NOT NULL,
     at INTEGER NOT NULL,
     outcome TEXT,
     answered INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX matrix_inbox_open ON matrix_inbox (position) WHERE NOT answered;`,
  `CREATE INDEX tasks_by_session ON tasks (state ->> 'sessionId') WHERE state ->> 'sessionId' IS NOT NULL;`,
  // No query may read more rows because more tasks have ended. `task_counts`: tasks that are not removed, by status.
  `ALTER TABLE tasks ADD COLUMN owns_directory INTEGER NOT NULL DEFAULT 0;
   UPDATE tasks SET owns_directory = coalesce(state ->> 'ownsDirectory', 0);
   DROP INDEX tasks_by_agent;
   CREATE INDEX tasks_by_agent ON tasks (agent_id, id) WHERE NOT removed;
   CREATE INDEX tasks_by_status ON tasks (agent_id, status, id) WHERE NOT removed;
   DROP INDEX tasks_by_key;
   CREATE INDEX tasks_by_key ON tasks (agent_id, idempotency_key, created_at, id)
     WHERE idempotency_key IS NOT NULL AND NOT removed;
   DROP INDEX tasks_by_directory;
   CREATE INDEX tasks_by_directory ON tasks (directory, owns_directory) WHERE NOT removed;
   CREATE INDEX events_closing_request ON events (task_id, body ->> 'request_id')
     WHERE body ->> 'kind' = 'request_closed';
   CREATE INDEX events_of_control ON events (task_id, seq) WHERE body ->> 'kind' = 'control';
   CREATE INDEX events_by_ref ON events (task_id, body ->> 'ref') WHERE body ->> 'ref' IS NOT NULL;
   CREATE INDEX deliveries_given_up ON deliveries (sink, given_up) WHERE given_up > 0;
   CREATE INDEX matrix_inbox_answered ON matrix_inbox (at) WHERE answered;
   CREATE TABLE task_counts (status TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO task_counts SELECT status, count(*) FROM tasks WHERE NOT removed GROUP BY status;
   CREATE TRIGGER tasks_count_added AFTER INSERT ON tasks WHEN NOT new.removed BEGIN
     INSERT INTO task_counts VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
   END;
   CREATE TRIGGER tasks_count_changed AFTER UPDATE OF status, removed ON tasks
   WHEN old.status <> new.status OR old.removed <> new.removed BEGIN
     UPDATE task_counts SET n = n - 1 WHERE status = old.status AND NOT old.removed;
     INSERT INTO task_counts SELECT new.status, 1 WHERE NOT new.removed
       ON CONFLICT (status) DO UPDATE SET n = n + 1;
   END;
   CREATE TRIGGER tasks_count_deleted AFTER DELETE ON tasks WHEN NOT old.removed BEGIN
     UPDATE task_counts SET n = n - 1 WHERE status = old.status;
   END;`,
  // With `removed` in them these indexes give the ids of a page without reading the rows, whose texts may be long.
  `DROP INDEX tasks_by_agent;
   CREATE INDEX tasks_by_agent ON tasks (agent_id, id, removed) WHERE NOT removed;
   DROP INDEX tasks_by_status;
   CREATE INDEX tasks_by_status ON tasks (agent_id, status, id, removed) WHERE NOT removed;`,
  `CREATE INDEX tasks_removed ON tasks (directory) WHERE removed AND owns_directory;`,
  `CREATE INDEX tasks_of_all ON tasks (id, removed) WHERE NOT removed;
   CREATE INDEX tasks_of_all_by_status ON tasks (status, id, removed) WHERE NOT removed;`,
  // Of a session of a browser only hashes are stored.
  `CREATE TABLE browser_sessions (
     id_hash TEXT PRIMARY KEY,
     csrf_hash TEXT NOT NULL,
     proof TEXT NOT NULL,
     expires_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX browser_sessions_by_expiry ON browser_sessions (expires_at);`,
  // The last 10,000 removals, in their order, for who follows the list of tasks.
  `CREATE TABLE removals (n INTEGER PRIMARY KEY, task_id TEXT NOT NULL, agent_id TEXT NOT NULL) STRICT;
   CREATE TRIGGER tasks_removal AFTER UPDATE OF removed ON tasks WHEN new.removed AND NOT old.removed BEGIN
     INSERT INTO removals (task_id, agent_id) VALUES (new.id, new.agent_id);
     DELETE FROM removals WHERE n <= (SELECT max(n) FROM removals) - 10000;
   END;`,
  // Keys of providers are encrypted with a key that is not in the database.
  `CREATE TABLE provider_keys (
     provider TEXT PRIMARY KEY,
     dialect TEXT NOT NULL,
     base_url TEXT NOT NULL,
     models TEXT NOT NULL,
     key_id TEXT NOT NULL,
     box BLOB NOT NULL,
     created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // Of a session of MCP only hashes of its id are stored.
  `CREATE TABLE mcp_sessions (
     id_hash TEXT PRIMARY KEY,
     proof TEXT NOT NULL,
     handshake TEXT NOT NULL,
     agent_id TEXT,
     several INTEGER NOT NULL,
     used_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX mcp_sessions_by_use ON mcp_sessions (used_at);`,
  // Made once and the same for every process of this database.
  `CREATE TABLE signing_keys (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;`,
];
