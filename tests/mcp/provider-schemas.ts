import { z } from 'zod';

const text = { description: z.string().optional(), title: z.string().optional() };
const count = z.int().min(0).optional();
const number = z.number().optional();

/** The fields of Schema in Google's Gemini API, as `parameters` of a function takes them; others are an error 400 there. */
const geminiNode: z.ZodType = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.strictObject({
      ...text,
      type: z.literal('object'),
      properties: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), geminiNode),
      required: z.array(z.string()).optional(),
      minProperties: count,
      maxProperties: count,
    }),
    z.strictObject({
      ...text,
      type: z.literal('array'),
      items: geminiNode,
      minItems: count,
      maxItems: count,
    }),
    z.strictObject({
      ...text,
      type: z.literal('string'),
      // An empty string in an enum is an error too.
      enum: z.array(z.string().min(1)).min(1).optional(),
      format: z.enum(['enum', 'date-time']).optional(),
      pattern: z.string().optional(),
      minLength: count,
      maxLength: count,
    }),
    z.strictObject({ ...text, type: z.enum(['number', 'integer']), minimum: number, maximum: number }),
    z.strictObject({ ...text, type: z.literal('boolean') }),
  ]),
);

/**
 * What OpenAI's strict mode takes once a client has closed each object and made each property required, as its SDKs do.
 * At most 10 levels of objects; of a string only `pattern` and `format` may be bounded.
 */
const openaiNode = (levels: number): z.ZodType =>
  z.lazy(() =>
    z.discriminatedUnion('type', [
      z.strictObject({
        ...text,
        type: z.literal('object'),
        properties: z.record(z.string(), levels > 1 ? openaiNode(levels - 1) : z.never()),
        required: z.array(z.string()).optional(),
        additionalProperties: z.literal(false).optional(),
      }),
      z.strictObject({
        ...text,
        type: z.literal('array'),
        items: openaiNode(levels),
        minItems: count,
        maxItems: count,
      }),
      z.strictObject({
        ...text,
        type: z.literal('string'),
        enum: z.array(z.string()).min(1).optional(),
        pattern: z.string().optional(),
        format: z.enum(['date-time', 'time', 'date', 'duration', 'email', 'uuid']).optional(),
      }),
      z.strictObject({
        ...text,
        type: z.enum(['number', 'integer']),
        minimum: number,
        maximum: number,
        exclusiveMinimum: number,
        exclusiveMaximum: number,
        multipleOf: number,
      }),
      z.strictObject({ ...text, type: z.literal('boolean') }),
    ]),
  );

/** What Letta does not call INVALID: each schema has a type, each list says of what, and what is required exists. */
const lettaNode: z.ZodType = z.lazy(() =>
  z.union([
    z
      .looseObject({
        type: z.literal('object'),
        properties: z.record(z.string(), lettaNode),
        required: z.array(z.string()).default([]),
      })
      .refine(({ properties, required }) => required.every((name) => Object.hasOwn(properties, name))),
    z.looseObject({ type: z.literal('array'), items: lettaNode }),
    z.looseObject({ type: z.enum(['string', 'number', 'integer', 'boolean']) }),
  ]),
);

/** Schemas of the input schemas that each provider takes, as it has published them. */
export const PROVIDERS = { Gemini: geminiNode, 'OpenAI strict': openaiNode(10), Letta: lettaNode } as const;
