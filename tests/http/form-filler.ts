import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const updateSchema = z.looseObject({
  method: z.literal('tasks/update'),
  params: z.looseObject({ inputResponses: z.record(z.string(), z.looseObject({})) }),
});

/**
 * A person between the conformance suite and the bridge: the suite accepts each form with the same content, whatever
 * the form asks, and this person fills in the first question.
 */
export async function startFormFiller(url: string): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer((req, res) => {
    // The suite gives up requests whose answer it does not need.
    forward(url, req, res).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${port}/mcp`, close };
}

async function forward(url: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await text(req);
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    if (typeof value === 'string' && !HOP.includes(name)) headers.set(name, value);
  }
  const init = { method: req.method ?? 'POST', headers };
  const response = await fetch(url, body === '' ? init : { ...init, body: filled(body) });
  res.writeHead(response.status, { 'content-type': response.headers.get('content-type') ?? '' });
  res.end(await response.text());
}

/** The message with the person's answers; any other one as it is. */
function filled(body: string): string {
  const update = updateSchema.safeParse(JSON.parse(body)).data;
  if (!update) return body;
  for (const answer of Object.values(update.params.inputResponses)) answer.content = { q0_other: 'yes' };
  return JSON.stringify(update);
}

const HOP = ['connection', 'content-length', 'host', 'transfer-encoding', 'keep-alive'];
