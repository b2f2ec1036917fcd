import { api, EVERY_AGENT, Problem, send } from '../../api/client.ts';
import { taskPath } from '../../links.ts';

/** Bytes of a text that are shown; a download has all. */
const MAX_TEXT = 1_048_576;
const MAX_IMAGE = 20_000_000;
const IMAGE = /^image\/(?:png|jpeg|gif|webp|svg\+xml|x-icon)\b/;

/** A file of a task, as far as it can be shown. `size` is that of the whole file. */
export type FileContent =
  | { kind: 'text'; text: string; size: number; image?: Blob }
  | { kind: 'image'; image: Blob; size: number }
  | { kind: 'binary'; size: number; mediaType: string };

/** The path of the bytes of a file in the task API. */
export function filePath(taskId: string, path: string): string {
  return `${taskPath(taskId)}/files/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Reads a file, and of a large one its beginning. Throws a Problem. */
export async function loadFile(taskId: string, path: string, signal: AbortSignal): Promise<FileContent> {
  const url = filePath(taskId, path);
  const response = await send(url, {
    query: { agent_id: EVERY_AGENT },
    headers: { Accept: '*/*', Range: `bytes=0-${MAX_TEXT - 1}` },
    signal,
  }).catch((thrown: unknown) => {
    // An empty file has no first byte.
    if (thrown instanceof Problem && thrown.status === 416) return undefined;
    throw thrown;
  });
  if (!response) return { kind: 'text', text: '', size: 0 };
  const mediaType = response.headers.get('Content-Type') ?? '';
  const bytes = await response.blob();
  const size = sizeOf(response, bytes);
  const image =
    IMAGE.test(mediaType) && size <= MAX_IMAGE
      ? imageOf(size > bytes.size ? await api.blob(url, {}, signal) : bytes, mediaType)
      : undefined;
  if (/charset=/.test(mediaType)) {
    return { kind: 'text', text: await decode(bytes), size, ...(image && { image }) };
  }
  return image ? { kind: 'image', image, size } : { kind: 'binary', size, mediaType };
}

function imageOf(bytes: Blob, mediaType: string): Blob {
  return new Blob([bytes], { type: IMAGE.exec(mediaType)?.[0] ?? '' });
}

/** A character that the end cuts in two is left out. */
async function decode(bytes: Blob): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await bytes.arrayBuffer(), { stream: true });
}

function sizeOf(response: Response, bytes: Blob): number {
  const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  return total === undefined ? bytes.size : Number(total);
}
