export interface Token {
  token: string;
  agentId?: string | undefined;
}

/** Parses `agent=token`, or a token only, which may end in base64 padding. */
export function readToken(entry: string): Token {
  const [, agentId, token] = /^([^=]*)=(.*[^=].*)$/.exec(entry) ?? [];
  return agentId === undefined || token === undefined ? { token: entry } : { token, agentId };
}

/** Tokens that no caller could send, one text for each. */
export function tokenFaults(tokens: readonly Token[]): string[] {
  const faults: string[] = [];
  if (tokens.some(({ agentId }) => agentId === ''))
    faults.push('MCP_AUTH_TOKENS has an entry with an empty agent: write agent=token, or only the token.');
  if (tokens.some(({ agentId }) => agentId === '*'))
    faults.push(
      'MCP_AUTH_TOKENS has an entry for the agent "*", which stands for all: write only the token.',
    );
  if (tokens.some(({ token }) => /\s/.test(token)))
    faults.push('MCP_AUTH_TOKENS has a token with a blank, which a header cannot contain.');
  return faults;
}
