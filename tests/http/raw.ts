import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

/** A connection on which a test says byte for byte what it wants. */
export function open(port: number): Socket {
  return connect(port, '127.0.0.1').on('error', () => undefined);
}

/** Its end, also by an error: a server that closes while the client still writes resets the connection. */
export function closed(socket: Socket): Promise<void> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Everything the server says to these bytes until it closes the connection. */
export async function say(port: number, bytes: string | Buffer): Promise<string> {
  const socket = open(port);
  socket.write(bytes);
  const answer = await text(socket.setEncoding('latin1')).catch(() => '');
  await closed(socket);
  return answer;
}

/** The status of an answer as it stands on the wire; 0 where there was none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}

/** A request as it stands on the wire, on a connection for it alone. */
export function wire(line: string, headers: readonly string[] = ['Host: localhost'], body = ''): string {
  return `${line} HTTP/1.1\r\n${[...headers, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`;
}
