import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { Caller } from '../../api/caller.ts';
import type { Logger } from '../../logger.ts';
import { faultOf } from '../fault.ts';
import { completePrompt, listedPrompts, promptMessages } from '../prompts/index.ts';
import { completeTemplate } from '../resources/complete.ts';
import { listResources } from '../resources/list-resources.ts';
import { readResource } from '../resources/read-resource.ts';
import type { ResourceCaller } from '../resources/resource-caller.ts';
import { TEMPLATES } from '../resources/templates.ts';
import { textOf } from '../text-of.ts';
import type { ToolServices } from '../tool.ts';

interface ResourceMethodsOptions {
  services: ToolServices;
  logger: Logger;
}

/** Adds resources, prompts and completion to the server of one request. */
export function addResourceMethods(server: Server, { services, logger }: ResourceMethodsOptions): void {
  const of = ({ http }: ServerContext) => resourceCaller(services, http?.authInfo, http?.req?.headers);
  const attempt = async <T>(work: () => Promise<T>, uri?: string): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      throw protocolError(thrown, logger, uri);
    }
  };
  server.setRequestHandler('resources/list', ({ params }, context) =>
    attempt(() => listResources(params?.cursor, of(context))),
  );
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [...TEMPLATES] }));
  server.setRequestHandler('resources/read', ({ params: { uri } }, context) =>
    attempt(async () => ({ ...(await readResource(uri, of(context))), cacheScope: 'private' as const }), uri),
  );
  server.setRequestHandler('prompts/list', () => ({ prompts: listedPrompts() }));
  server.setRequestHandler('prompts/get', ({ params }, context) =>
    attempt(() => promptMessages(params.name, params.arguments ?? {}, of(context))),
  );
  server.setRequestHandler('completion/complete', ({ params: { ref, argument, context: given } }, context) =>
    attempt(async () => ({
      completion: {
        ...(await (ref.type === 'ref/prompt'
          ? completePrompt(ref.name, argument, of(context))
          : completeTemplate(ref.uri, argument, given?.arguments ?? {}, of(context)))),
      },
    })),
  );
}

/** Who asks; no session remembers an `agent_id` of an earlier call. */
export function resourceCaller(
  services: ToolServices,
  authInfo: { extra?: Record<string, unknown> } | undefined,
  headers: Headers | undefined,
): ResourceCaller {
  const caller = new Caller();
  const token = textOf(authInfo?.extra?.agentId);
  const header = headers?.get('x-agent-id') ?? undefined;
  return {
    services,
    owner: () => caller.ownerById({ token, header }),
    agentId: () => caller.resolve({ token, header }),
    isNamedByHeader: token === undefined && header !== undefined,
  };
}

function protocolError(thrown: unknown, logger: Logger, uri: string | undefined): Error {
  const fault = faultOf(thrown, logger, uri);
  if (fault.kind === 'no_resource') return new ResourceNotFoundError(fault.uri, fault.message);
  if (fault.kind === 'internal') return new ProtocolError(ProtocolErrorCode.InternalError, fault.message);
  return new ProtocolError(ProtocolErrorCode.InvalidParams, fault.message, fault.data);
}
