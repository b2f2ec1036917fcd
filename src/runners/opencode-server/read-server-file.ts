import { BridgeError, quote } from '../../errors.ts';
import { failure } from './api-failure.ts';
import { authorization, type Endpoint } from './endpoint.ts';

/**
 * A file's exact bytes. `/file/content` trims text and answers an empty file where there is none. The route used here
 * has no SDK method, and answers HTTP 500 where there is no file.
 */
export async function readServerFile(
  endpoint: Endpoint,
  directory: string,
  path: string,
  timeoutMs: number,
): Promise<Buffer> {
  const segments = path.split('/').map(encodeURIComponent).join('/');
  const url = new URL(`${endpoint.url}/api/fs/read/${segments}`);
  url.searchParams.set('location[directory]', directory);
  const options = { headers: authorization(endpoint), signal: AbortSignal.timeout(timeoutMs) };
  const response = await fetch(url, options).catch((thrown) => {
    throw failure('read file', endpoint.url, undefined, thrown);
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw failure('read file', endpoint.url, response.status, undefined);
  if (!response.headers.get('content-type')?.startsWith('text/html')) return body;
  throw new BridgeError('ENGINE_NOT_FOUND', `OpenCode has no file ${quote(path)} in that directory.`);
}
