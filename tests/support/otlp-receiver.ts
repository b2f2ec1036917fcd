import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const valueSchema = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.union([z.number(), z.string()]) }).transform(({ intValue }) => Number(intValue)),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
]);
const attributesSchema = z
  .array(z.object({ key: z.string(), value: valueSchema }))
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])));
const idsSchema = { traceId: z.string().regex(/^[0-9a-f]{32}$/), spanId: z.string().regex(/^[0-9a-f]{16}$/) };
const spanSchema = z.object({
  ...idsSchema,
  parentSpanId: z.string().default(''),
  name: z.string(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: attributesSchema.default({}),
  links: z.array(z.object(idsSchema)).default([]),
  status: z.object({ code: z.number().optional() }).default({}),
});
const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
    }),
  ),
});

export type Span = z.output<typeof spanSchema>;

/** A receiver of traces by OTLP over HTTP in JSON; refuses what is not as the protocol has it. */
export async function startOtlpReceiver({ hangs = false } = {}) {
  const spans: Span[] = [];
  const requests: { headers: IncomingHttpHeaders; body: string; resource: unknown }[] = [];
  /** Requests to other paths: any receiver will do for those. */
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    if (hangs) return;
    if (req.url !== '/v1/traces') {
      received.push({ headers: req.headers, body });
      return res.writeHead(204).end();
    }
    const parsed = requestSchema.safeParse(JSON.parse(body));
    if (!parsed.success) return res.writeHead(400).end();
    for (const { resource, scopeSpans } of parsed.data.resourceSpans) {
      requests.push({ headers: req.headers, body, resource: resource.attributes });
      spans.push(...scopeSpans.flatMap((scope) => scope.spans));
    }
    return res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    requests,
    received,
    named: (name: string) => spans.filter((span) => span.name === name),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
