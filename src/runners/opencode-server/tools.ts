import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import { BridgeError, printable, quote } from '../../errors.ts';
import { EDIT } from '../opencode-protocol/outside-edits.ts';
import type { PermissionRule } from '../opencode-protocol/outside-rules.ts';
import { matches } from '../opencode-protocol/wildcard.ts';
import { dataOf } from './api-failure.ts';
import { authorization, type Endpoint } from './endpoint.ts';

/** Names of tools in an error. */
const MAX_NAMES = 100;
/** OpenCode has one permission for these. */
const EDITS: readonly string[] = ['write', 'apply_patch'];
/** Answers to calls of tools that do not exist; no model is offered it. */
const INTERNAL = 'invalid';

const idsSchema = z.array(z.string());
const configSchema = z.object({ mcp: z.record(z.string(), z.unknown()).default({}) });

/** What a directory's sessions can use: OpenCode's own tools and those of its plugins, and MCP servers. */
export interface Tools {
  ids: readonly string[];
  /** Servers that are switched off included. */
  servers: readonly string[];
}

/** The tools that an OpenCode server has in a directory; the first request may start its instance. */
export async function readTools(endpoint: Endpoint, directory: string, timeoutMs: number): Promise<Tools> {
  const { url } = endpoint;
  const client = createOpencodeClient({ baseUrl: url, headers: authorization(endpoint) });
  const options = { signal: AbortSignal.timeout(timeoutMs) };
  const [ids, config] = await Promise.all([
    dataOf('tools', url, client.tool.ids({ directory }, options)),
    dataOf('config', url, client.config.get({ directory }, options)),
  ]);
  return {
    ids: parsed(idsSchema, ids, url).filter((id) => id !== INTERNAL),
    servers: Object.keys(parsed(configSchema, config, url).mcp),
  };
}

/** Throws INVALID_INPUT for a tool that does not exist, or cannot be enabled apart from another. */
export function requireTools(enabled: readonly string[], tools: Tools): void {
  const known = [...tools.ids, ...tools.servers.map(namesOf)];
  const unknown = enabled.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw refusal(
      unknown,
      'which is no tool here',
      `Name some of: ${printable(known.slice(0, MAX_NAMES).join(', '))}.`,
    );
  }
  const alone = enabled.includes(EDIT) ? undefined : enabled.find((name) => EDITS.includes(name));
  if (alone !== undefined) {
    const why = `without "${EDIT}"; OpenCode permits edit, write and apply_patch only together`;
    throw refusal(alone, why, `Name ${EDIT} too, or leave ${alone} out.`);
  }
  for (const { permission, pattern } of toolDenials(enabled, tools)) {
    const hit = enabled.find((name) => pattern === '*' && matches(permissionOf(name), permission));
    if (hit === undefined) continue;
    const other = `"${permission}", which is not enabled`;
    throw refusal(
      hit,
      `which OpenCode cannot tell from ${other}`,
      `Name "${permission}" too, or not ${hit}.`,
    );
  }
}

/**
 * Rules that deny all tools but the enabled ones; OpenCode does not offer these, to subagents neither. There is no
 * rule that allows anything: the rules of the configuration and of the agent decide about what is enabled.
 */
export function toolDenials(enabled: readonly string[], { ids, servers }: Tools): PermissionRule[] {
  const enabledPermissions = enabled.map(permissionOf);
  const others = servers.filter((server) => !enabled.includes(namesOf(server)));
  const denied = [...ids.map(permissionOf), ...others.map(namesOf)].filter(
    (permission) => !enabledPermissions.includes(permission),
  );
  return [
    // Resources of MCP servers are read with the permission for files.
    ...others.map((server) => deny('read', `mcp:${server}:*`)),
    ...[...new Set(denied)].map((permission) => deny(permission, '*')),
  ];
}

function parsed<S extends z.ZodType>(schema: S, data: unknown, url: string): z.output<S> {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  throw new BridgeError('ENGINE_ERROR', `The tools of the OpenCode server at ${url} cannot be read.`, {
    cause: result.error,
  });
}

function permissionOf(tool: string): string {
  return EDITS.includes(tool) ? EDIT : tool;
}

/** What OpenCode puts before the names of a server's tools, and a pattern for the rest. */
function namesOf(server: string): string {
  return `${server.replace(/[^a-zA-Z0-9_-]/g, '_')}_*`;
}

function deny(permission: string, pattern: string): PermissionRule {
  return { permission, pattern, action: 'deny' };
}

function refusal(tool: string, why: string, next: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`model_config.enabled_tools\` names ${quote(tool)}, ${why}.`, {
    next,
  });
}
