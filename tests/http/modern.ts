import { post } from './server.ts';

const META = 'io.modelcontextprotocol';
export const TASKS = `${META}/tasks`;
/** What a client declares that knows Tasks, and one that can also ask its user. */
export const WITH_TASKS = { extensions: { [TASKS]: {} } };
export const WITH_FORMS = { ...WITH_TASKS, elicitation: { form: {} } };

export const VERSION = '2026-07-28';

export interface ModernRequest {
  id?: number | string;
  capabilities?: object;
  version?: string;
  /** Further keys of `_meta`. */
  meta?: object;
}

/** A request of 2026-07-28 with its envelope. */
export function modernRequest(method: string, params: object = {}, options: ModernRequest = {}) {
  const { id = 1, capabilities = {}, version = VERSION, meta = {} } = options;
  const _meta = {
    [`${META}/protocolVersion`]: version,
    [`${META}/clientInfo`]: { name: 'raw', version: '1' },
    [`${META}/clientCapabilities`]: capabilities,
    ...meta,
  };
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta } };
}

/** The headers that repeat what such a request says. */
export function modernHeaders(method: string, name?: string, version = VERSION): Record<string, string> {
  return {
    'mcp-protocol-version': version,
    'mcp-method': method,
    ...(name === undefined ? {} : { 'mcp-name': name }),
  };
}

interface Sent extends ModernRequest {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Posts a request as a client of 2026-07-28 does. */
export function send(url: string, method: string, params: object = {}, options: Sent = {}) {
  const { headers, signal, ...request } = options;
  const name = 'name' in params ? params.name : 'taskId' in params ? params.taskId : undefined;
  const all = { ...modernHeaders(method, typeof name === 'string' ? name : undefined), ...headers };
  return post(url, modernRequest(method, params, request), all, signal);
}

/** Calls a tool in that way; `round` has the parameters of a call that is repeated with what was asked. */
export function callTool(
  url: string,
  name: string,
  args: object = {},
  { round = {}, ...options }: Sent & { round?: object } = {},
) {
  return send(url, 'tools/call', { name, arguments: args, ...round }, options);
}
