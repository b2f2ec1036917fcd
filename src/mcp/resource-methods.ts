import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Caller } from '../api/caller.ts';
import type { Logger } from '../logger.ts';
import { type Fault, faultOf } from './fault.ts';
import { completePrompt, listedPrompts, promptMessages } from './prompts/index.ts';
import { completeTemplate } from './resources/complete.ts';
import { listResources } from './resources/list-resources.ts';
import { findResource, readResource } from './resources/read-resource.ts';
import type { ResourceCaller } from './resources/resource-caller.ts';
import { ResourceUpdates } from './resources/resource-updates.ts';
import { TEMPLATES } from './resources/templates.ts';
import { textOf } from './text-of.ts';
import type { ToolServices } from './tool.ts';

type Extra = Pick<RequestHandlerExtra<ServerRequest, ServerNotification>, 'authInfo' | 'requestInfo'>;

/** What a server with these methods declares; no `listChanged`, for which clients would open a stream. */
export const RESOURCE_CAPABILITIES = { resources: { subscribe: true }, prompts: {}, completions: {} };

/** The code of this era for a resource that is not there; the newer revision has another. */
const RESOURCE_NOT_FOUND = -32_002;
/** Subscriptions of one session. */
const MAX_SUBSCRIPTIONS = 100;

/** Adds resources, prompts and completion to the server of a session. Subscriptions end with the session. */
export function addResourceMethods(
  server: Server,
  services: ToolServices,
  logger: Logger,
  caller: Caller,
): void {
  const of = (extra: Extra): ResourceCaller => callerOf(services, caller, extra);
  const attempt = async <T>(work: () => Promise<T>, uri?: string): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      throw new MethodError(faultOf(thrown, logger, uri));
    }
  };
  const updates = new ResourceUpdates({
    services,
    logger,
    // A client that is gone needs to know nothing.
    send: (uri) => void server.sendResourceUpdated({ uri }).catch(() => undefined),
    max: MAX_SUBSCRIPTIONS,
  });
  server.onclose = () => updates.close();

  server.setRequestHandler(ListResourcesRequestSchema, ({ params }, extra) =>
    attempt(() => listResources(params?.cursor, of(extra))),
  );
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [...TEMPLATES] }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }, extra) =>
    attempt(async () => ({ contents: (await readResource(uri, of(extra))).contents }), uri),
  );
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }, extra) =>
    attempt(async () => {
      const found = await findResource(uri, of(extra));
      if (!updates.has(uri)) updates.follow(uri, found);
      return {};
    }, uri),
  );
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    updates.stop(uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: listedPrompts() }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) =>
    attempt(() => promptMessages(params.name, params.arguments ?? {}, of(extra))),
  );
  server.setRequestHandler(CompleteRequestSchema, ({ params: { ref, argument, context } }, extra) =>
    attempt(async () => ({
      completion: await (ref.type === 'ref/prompt'
        ? completePrompt(ref.name, argument, of(extra))
        : completeTemplate(ref.uri, argument, context?.arguments ?? {}, of(extra))),
    })),
  );
}

function callerOf(services: ToolServices, caller: Caller, { authInfo, requestInfo }: Extra): ResourceCaller {
  const token = textOf(authInfo?.extra?.agentId);
  const header = textOf(requestInfo?.headers['x-agent-id']);
  return {
    services,
    owner: () => caller.ownerById({ token, header }),
    agentId: () => caller.resolve({ token, header }),
    isNamedByHeader: token === undefined && header !== undefined,
  };
}

/** An error with a code of JSON-RPC, as the SDK sends it. */
class MethodError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(fault: Fault) {
    super(fault.message);
    this.code = CODES[fault.kind];
    this.data =
      fault.kind === 'no_resource' ? { uri: fault.uri } : fault.kind === 'invalid' ? fault.data : undefined;
  }
}

const CODES: Record<Fault['kind'], number> = {
  no_resource: RESOURCE_NOT_FOUND,
  invalid: ErrorCode.InvalidParams,
  internal: ErrorCode.InternalError,
};
