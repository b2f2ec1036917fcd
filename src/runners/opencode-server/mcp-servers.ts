import { z } from 'zod';

const serverSchema = z.object({
  enabled: z.boolean().default(true),
  command: z.array(z.string()).optional(),
  url: z.string().optional(),
});
const configSchema = z.object({ mcp: z.record(z.string(), serverSchema).default({}) });

/** An MCP server in the configuration of OpenCode: a program, or an address. */
export type McpServer = z.infer<typeof serverSchema> & { name: string };

/** Those that OpenCode starts, from its configuration as `GET /config` answers it. */
export function enabledMcpServers(config: unknown): McpServer[] {
  const { mcp } = configSchema.parse(config);
  return Object.entries(mcp).flatMap(([name, server]) => (server.enabled ? [{ name, ...server }] : []));
}
