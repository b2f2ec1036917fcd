import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

/** The extension by which a call answers with a Task that the client asks about later. */
export const TASKS = 'io.modelcontextprotocol/tasks';

const capabilities = z.object({
  extensions: z
    .object({ [TASKS]: z.unknown() })
    .partial()
    .optional(),
  elicitation: z.looseObject({ form: z.unknown(), url: z.unknown() }).partial().optional(),
});
const envelope = z.object({ [CLIENT_CAPABILITIES_META_KEY]: capabilities });

/** What the client of one request can do. It counts for that request alone. */
export interface ClientFeatures {
  tasks: boolean;
  /** Whether it can show a form to its user. */
  forms: boolean;
}

export function featuresOf({ mcpReq }: ServerContext): ClientFeatures {
  return declaredFeatures(mcpReq.envelope);
}

/** What the `_meta` of a request declares. */
export function declaredFeatures(meta: unknown): ClientFeatures {
  const declared = envelope.safeParse(meta).data?.[CLIENT_CAPABILITIES_META_KEY];
  const { extensions, elicitation } = declared ?? {};
  return {
    tasks: extensions?.[TASKS] !== undefined,
    // A client that names no mode has forms, from before there was another.
    forms: elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined),
  };
}

/** Throws the error of a method that only clients with Tasks may call. */
export function requireTasks(context: ServerContext): void {
  requireTasksIn(featuresOf(context));
}

export function requireTasksIn({ tasks }: ClientFeatures): void {
  if (tasks) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
}
