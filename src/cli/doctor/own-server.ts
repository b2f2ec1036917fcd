import { isLoopback } from '../../loopback.ts';
import type { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import type { McpServer } from '../../runners/opencode-server/mcp-servers.ts';
import { type Finding, failed } from './check.ts';

const PACKAGE = 'letta-opencode-plugin';

/** A row where OpenCode, in that folder, has the bridge of this port, or one like it, as an MCP server. */
export async function bridgeInOpenCode(api: OpenCodeApi, folder: string, port: number): Promise<Finding[]> {
  const check = 'MCP of OpenCode';
  const servers = await api.mcpServers(folder).catch((thrown: unknown) => failed(check, thrown));
  if (!Array.isArray(servers)) return [{ ...servers, status: 'warn' }];
  const bridges = servers.filter((server) => isBridge(server, port)).map(({ name }) => `"${name}"`);
  if (bridges.length === 0) return [];
  const detail = `its configuration has a bridge as MCP server ${bridges.join(', ')}`;
  const next =
    'Turn it off there, or for this OpenCode alone ("enabled": false): it is started for each folder in vain, for tasks cannot hand over tasks.';
  return [{ check, status: 'warn', detail, next }];
}

function isBridge({ command, url }: McpServer, port: number): boolean {
  if ([...(command ?? []), url ?? ''].some((word) => word.includes(PACKAGE))) return true;
  if (url === undefined || !URL.canParse(url)) return false;
  const { hostname, port: at } = new URL(url);
  return isLoopback(hostname) && port > 0 && Number(at) === port;
}
