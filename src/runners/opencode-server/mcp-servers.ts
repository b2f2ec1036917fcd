import { z } from 'zod';

const serverSchema = z.object({
  enabled: z.boolean().default(true),
  command: z.array(z.string()).optional(),
  url: z.string().optional(),
});
const configSchema = z.object({ mcp: z.record(z.string(), serverSchema).default({}) });

/** An MCP server in OpenCode's configuration: a program or a URL. */
export type McpServer = z.infer<typeof serverSchema> & { name: string };

/** The MCP servers that OpenCode starts, from its answer to `GET /config`. */
export function enabledMcpServers(config: unknown): McpServer[] {
  const { mcp } = configSchema.parse(config);
  return Object.entries(mcp).flatMap(([name, server]) => (server.enabled ? [{ name, ...server }] : []));
}
