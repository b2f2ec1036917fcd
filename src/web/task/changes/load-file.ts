import { EVERY_AGENT, send } from '../../api/client.ts';
import { taskPath } from '../../links.ts';

/** Bytes of a text that are shown; a download has all. */
const MAX_TEXT = 1_048_576;
const MAX_IMAGE = 20_000_000;
const IMAGE = /^image\/(?:png|jpeg|gif|webp|svg\+xml|x-icon)\b/;

/** A file of a task, as far as it can be shown. */
export type FileContent = {
  /** Of the whole file. */
  size: number;
  /** Changes with the file. */
  etag: string | null;
} & (
  | { kind: 'text'; text: string; image?: Blob }
  | { kind: 'image'; image: Blob }
  | { kind: 'binary'; mediaType: string }
);

/** The path of the bytes of a file in the task API. */
export function filePath(taskId: string, path: string): string {
  return `${taskPath(taskId)}/files/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Reads a file, and of a large one its beginning. Throws a Problem. */
export async function loadFile(taskId: string, path: string, signal: AbortSignal): Promise<FileContent> {
  const response = await send(filePath(taskId, path), {
    query: { agent_id: EVERY_AGENT },
    headers: { Accept: '*/*' },
    signal,
  });
  const mediaType = response.headers.get('Content-Type') ?? '';
  const size = Number(response.headers.get('Content-Length') ?? 0);
  const facts = { size, etag: response.headers.get('ETag') };
  const isImage = IMAGE.test(mediaType) && size <= MAX_IMAGE;
  const bytes = await beginningOf(response, isImage ? size : MAX_TEXT);
  const image = isImage ? imageOf(bytes, mediaType) : undefined;
  if (/charset=/.test(mediaType)) {
    const text = await decode(bytes.slice(0, MAX_TEXT));
    return { ...facts, kind: 'text', text, ...(image && { image }) };
  }
  return image ? { ...facts, kind: 'image', image } : { ...facts, kind: 'binary', mediaType };
}

/** At most `limit` bytes; the rest is not transferred. */
async function beginningOf(response: Response, limit: number): Promise<Blob> {
  const reader = response.body?.getReader();
  const chunks: BlobPart[] = [];
  let length = 0;
  while (reader && length < limit) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
  }
  await reader?.cancel();
  return new Blob(chunks).slice(0, limit);
}

function imageOf(bytes: Blob, mediaType: string): Blob {
  return new Blob([bytes], { type: IMAGE.exec(mediaType)?.[0] ?? '' });
}

/** A character that the end cuts in two is left out. */
async function decode(bytes: Blob): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await bytes.arrayBuffer(), { stream: true });
}
