import { z } from 'zod';
import type { McpSessionRecord, McpSessionStore } from '../mcp-session-store.ts';
import { committing, type Database, guarded, transaction } from './database.ts';

const sessionRow = z
  .object({
    id_hash: z.string(),
    proof: z.string(),
    handshake: z.string(),
    agent_id: z.string().nullable(),
    several: z.number(),
    used_at: z.number(),
  })
  .transform(
    ({
      id_hash: idHash,
      proof,
      handshake,
      agent_id: agentId,
      several,
      used_at: usedAt,
    }): McpSessionRecord => ({
      idHash,
      proof,
      handshake,
      agents: agentId === null ? undefined : { agentId, several: several !== 0 },
      usedAt,
    }),
  );

/** McpSessionStore in SQLite. */
export class SqliteMcpSessionStore implements McpSessionStore {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  add({ idHash, proof, handshake, agents, usedAt }: McpSessionRecord, expired: number, max: number): void {
    this.#commit(() => {
      this.#sql.removeExpired.run(expired);
      this.#sql.removeFirst.run(max - 1);
      this.#sql.add.run(
        idHash,
        proof,
        handshake,
        agents?.agentId ?? null,
        Number(agents?.several ?? 0),
        usedAt,
      );
    });
  }

  find(idHash: string): McpSessionRecord | undefined {
    const row = guarded(this.#database, () => this.#sql.find.get(idHash));
    return row && sessionRow.parse(row);
  }

  update(idHash: string, { agents, usedAt }: Pick<McpSessionRecord, 'agents' | 'usedAt'>): void {
    this.#commit(() =>
      this.#sql.update.run(agents?.agentId ?? null, Number(agents?.several ?? 0), usedAt, idHash),
    );
  }

  remove(idHash: string): void {
    this.#commit(() => this.#sql.remove.run(idHash));
  }

  #commit(work: () => unknown): void {
    committing(this.#database, 'later', () => transaction(this.#database, () => void work()));
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    add: prepare(
      `INSERT INTO mcp_sessions (id_hash, proof, handshake, agent_id, several, used_at)
         VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    find: prepare('SELECT * FROM mcp_sessions WHERE id_hash = ?'),
    update: prepare('UPDATE mcp_sessions SET agent_id = ?, several = ?, used_at = ? WHERE id_hash = ?'),
    remove: prepare('DELETE FROM mcp_sessions WHERE id_hash = ?'),
    removeExpired: prepare('DELETE FROM mcp_sessions WHERE used_at <= ?'),
    removeFirst: prepare(
      `DELETE FROM mcp_sessions WHERE id_hash IN
         (SELECT id_hash FROM mcp_sessions ORDER BY used_at DESC LIMIT -1 OFFSET ?)`,
    ),
  };
}
