import { Readable, Writable } from 'node:stream';
import type Docker from 'dockerode';
import { ignoreStatus, requestDocker } from './docker-request.ts';

/** Receives the output of a container in chunks of any size. */
export type OnOutput = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

/**
 * Reads the log of a container from its beginning and follows it. Resolves when the container has ended or is being
 * removed, or when the signal aborts.
 */
export async function followContainerLogs(
  host: string,
  container: Docker.Container,
  onOutput: OnOutput,
  signal: AbortSignal,
): Promise<void> {
  const output = await requestDocker(host, () =>
    ignoreStatus([404, 409], container.logs({ follow: true, stdout: true, stderr: true })),
  );
  if (!(output instanceof Readable)) return;
  const abort = (): unknown => output.destroy();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  container.modem.demuxStream(output, writer('stdout', onOutput), writer('stderr', onOutput));
  const closed = Promise.withResolvers<void>();
  for (const event of ['end', 'close', 'error']) output.once(event, () => closed.resolve());
  await closed.promise;
  signal.removeEventListener('abort', abort);
}

function writer(stream: 'stdout' | 'stderr', onOutput: OnOutput): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      onOutput(stream, chunk);
      done();
    },
  });
}
