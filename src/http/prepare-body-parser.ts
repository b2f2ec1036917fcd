import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import express from 'express';

/** Has the parser of JSON bodies load its decoders, which it otherwise does while the first client waits. */
export async function prepareBodyParser(): Promise<void> {
  const body = '{}';
  const request = new IncomingMessage(new Socket());
  request.method = 'POST';
  request.headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
  request.push(body);
  request.push(null);
  await new Promise<void>((resolve) => {
    express.json()(request, new ServerResponse(request), () => resolve());
  });
}
