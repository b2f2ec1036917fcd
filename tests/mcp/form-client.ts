import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernHttp,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  type ElicitResult,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

const formSchema = z.looseObject({
  message: z.string(),
  requestedSchema: z.looseObject({ properties: z.looseObject({}) }),
});
const resultSchema = CallToolResultSchema.extend({ structuredContent: z.record(z.string(), z.unknown()) });

/** A form as a person sees it. */
export type ShownForm = z.infer<typeof formSchema> & {
  /** Aborts when the bridge withdraws it. */
  withdrawn: AbortSignal;
};

export interface FormClient {
  /** Calls a tool; resolves with its structured answer. */
  call(name: string, args?: Record<string, unknown>, progress?: () => void): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** The person in front of a client: what each form is answered with. */
export type Person = (form: ShownForm) => Promise<ElicitResult> | ElicitResult;

/** Clients by their SDK and the revision that they speak. */
export const FORM_CLIENTS = {
  'sdk 1.32': { era: 'sessions', connect: connectV1 },
  'client 2, legacy': { era: 'sessions', connect: connectV2('legacy') },
  'client 2, auto': { era: 'round trips', connect: connectV2('auto') },
  'client 2, modern': { era: 'round trips', connect: connectV2({ pin: '2026-07-28' }) },
} as const;

interface ConnectOptions {
  /** Absent: it declares no forms. */
  person?: Person | undefined;
  headers?: Record<string, string>;
  capabilities?: object;
  /** Absent: HTTP. */
  transport?: Transport;
}

async function connectV1(url: string, options: ConnectOptions): Promise<FormClient> {
  const { person, headers = {}, capabilities = { elicitation: {} } } = options;
  const client = new Client({ name: 'c', version: '1' }, { capabilities: person ? capabilities : {} });
  if (person) {
    client.setRequestHandler(ElicitRequestSchema, async ({ params }, { signal }) =>
      person({ ...formSchema.parse(params), withdrawn: signal }),
    );
  }
  const http = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(options.transport ?? (http as Transport));
  return {
    call: async (name, args = {}, onprogress) => {
      const call = { name, arguments: args };
      const result = await client.callTool(call, undefined, onprogress ? { onprogress } : {});
      return resultSchema.parse(result).structuredContent;
    },
    close: () => client.close(),
  };
}

function connectV2(mode: 'auto' | 'legacy' | { pin: string }) {
  return async (url: string, options: ConnectOptions): Promise<FormClient> => {
    const { person, headers = {}, capabilities = { elicitation: {} } } = options;
    const client = new ModernClient(
      { name: 'c', version: '1' },
      { versionNegotiation: { mode }, capabilities: person ? capabilities : {} },
    );
    if (person) {
      client.setRequestHandler('elicitation/create', async ({ params }, { mcpReq }) =>
        person({ ...formSchema.parse(params), withdrawn: mcpReq.signal }),
      );
    }
    const http = new ModernHttp(new URL(url), { requestInit: { headers } });
    await client.connect((options.transport ?? http) as ModernHttp);
    return {
      call: async (name, args = {}, onprogress) => {
        const result = await client.callTool({ name, arguments: args }, onprogress ? { onprogress } : {});
        return resultSchema.parse(result).structuredContent;
      },
      close: () => client.close(),
    };
  };
}
