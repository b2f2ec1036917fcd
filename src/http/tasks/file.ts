import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { OpenFile } from '../../api/file-view.ts';
import { path, taskId } from '../../api/inputs.ts';
import { BridgeError, quote } from '../../errors.ts';
import { defineRoute, NONE, type Reply } from '../route.ts';
import { refuseToRun, UNTRUSTED } from '../untrusted-content.ts';

export const fileRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/files/{path}',
  operationId: 'readFile',
  summary: 'The bytes of a file of a task',
  about:
    'Exact to the byte, during the task and after it. A browser shows the content but runs nothing of it.',
  params: z.strictObject({ task_id: taskId, path }),
  query: z.strictObject({ download: z.boolean().default(false) }),
  body: NONE,
  requestHeaders: {
    Range: 'One range of bytes.',
    'If-None-Match': 'The ETag of an earlier answer: 304 if the file is the same.',
    'If-Range': 'An ETag: the range only if the file is the same, else all of it.',
  },
  success: [
    {
      status: 200,
      about: 'The file.',
      content: { '*/*': null },
      headers: {
        ETag: 'Changes with the file.',
        'Accept-Ranges': '`bytes`.',
        'Content-Disposition': 'With `download=true`: `attachment` and the name of the file.',
      },
    },
    {
      status: 206,
      about: 'The range.',
      content: { '*/*': null },
      headers: { 'Content-Range': 'Which bytes, of how many.' },
    },
    { status: 304, about: 'The file is the same.' },
  ],
  errors: ['TASK_NOT_FOUND', 'FILE_NOT_FOUND', 'FORBIDDEN', 'INVALID_STATE', 'RANGE_NOT_SATISFIABLE'],
  async run({ services, agentId, params, query, req, res }) {
    refuseToRun(req);
    const task = await services.execution.find(agentId, params.task_id);
    const file = await services.execution.files.open(task, params.path);
    try {
      if (query.download) res.attachment(params.path.split('/').at(-1));
      return await send(file, req, res);
    } finally {
      await file.close();
    }
  },
});

async function send(file: OpenFile, req: Request, res: Response): Promise<Reply | undefined> {
  const { size, etag, mediaType, isText, modifiedAt } = file;
  res.set({
    ...UNTRUSTED,
    // Compressed bytes would have neither this length nor these ranges.
    'Cache-Control': 'private, no-cache, no-transform',
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'Last-Modified': new Date(modifiedAt).toUTCString(),
    'Content-Type': isText ? `${mediaType}; charset=utf-8` : mediaType,
  });
  if (isSame(req.headers['if-none-match'], etag)) return void res.status(304).end();
  const range = rangeOf(req, file);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  res.status(range ? 206 : 200).set('Content-Length', String(end - start + 1));
  if (range) res.set('Content-Range', `bytes ${start}-${end}/${size}`);
  if (req.method === 'HEAD' || size === 0) return void res.end();
  await pipeline(file.read(start, end), res).catch(() => res.destroy());
  return undefined;
}

/** Whether the client has this version; express would not say so to a client that asks for no cached answer. */
function isSame(header: string | undefined, etag: string): boolean {
  const tags = header?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
  return tags.includes('*') || tags.includes(etag);
}

/** The one range that is asked for; undefined for the whole file, also where several ranges are asked for. */
function rangeOf(req: Request, { size, etag }: OpenFile): { start: number; end: number } | undefined {
  const condition = req.headers['if-range'];
  if (condition !== undefined && condition !== etag) return undefined;
  const ranges = req.range(size, { combine: true });
  if (ranges === undefined || ranges === -2) return undefined;
  if (ranges === -1) {
    throw new BridgeError(
      'RANGE_NOT_SATISFIABLE',
      `Range ${quote(req.headers.range)} is not within the ${size} bytes of the file.`,
      {
        next: `Ask for bytes 0 to ${Math.max(0, size - 1)}.`,
      },
    );
  }
  const [range] = ranges;
  return ranges.type === 'bytes' && ranges.length === 1 ? range : undefined;
}
