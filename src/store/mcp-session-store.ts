/** A session of MCP, as it is resumed after a restart. Nothing in it lets a reader of the store use the session. */
export interface McpSessionRecord {
  /** SHA-256 of the id, which only the client has. */
  idHash: string;
  /** HMAC of the id, with the credential as its key. */
  proof: string;
  /** JSON of the client's handshake: protocol version, capabilities, name and version. */
  handshake: string;
  /** The agent_id arguments that were used in it: the latest, and whether there were others. */
  agents?: { agentId: string; several: boolean } | undefined;
  /** Epoch milliseconds. */
  usedAt: number;
}

/** Sessions of MCP. A power loss may undo what was stored last. */
export interface McpSessionStore {
  /** Removes those not used since `expired`, and of more than `max` those unused for longest. */
  add(session: McpSessionRecord, expired: number, max: number): void;
  find(idHash: string): McpSessionRecord | undefined;
  /** Without an effect if the session is not stored. */
  update(idHash: string, change: Pick<McpSessionRecord, 'agents' | 'usedAt'>): void;
  remove(idHash: string): void;
}
