export interface Token {
  token: string;
  agentId?: string | undefined;
}

/** `agent=token`, or a token alone, which may end in the padding of base 64. */
export function readToken(entry: string): Token {
  const [, agentId, token] = /^([^=]*)=(.*[^=].*)$/.exec(entry) ?? [];
  return agentId === undefined || token === undefined ? { token: entry } : { token, agentId };
}

/** What no caller could ever send, one line for each. */
export function tokenFaults(tokens: readonly Token[]): string[] {
  const faults: string[] = [];
  if (tokens.some(({ agentId }) => agentId === ''))
    faults.push('MCP_AUTH_TOKENS has an entry with an empty agent: write agent=token, or the token alone.');
  if (tokens.some(({ token }) => /\s/.test(token)))
    faults.push('MCP_AUTH_TOKENS has a token with a blank in it, which no header can carry.');
  return faults;
}
