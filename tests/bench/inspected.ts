import { once } from 'node:events';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { BridgeProcess } from './bench-bridge.ts';
import { until } from './sample.ts';

/** For `startBridgeProcess`: the inspector on a free port of this machine. */
export const INSPECTED = ['--inspect=127.0.0.1:0'] as const;

const ADDRESS = /Debugger listening on (ws:\S+)/;
const answerSchema = z.object({ id: z.number(), result: z.unknown() });
const heapSchema = z.object({ usedSize: z.number(), backingStorageSize: z.number().optional() });
const evaluatedSchema = z.object({ result: z.object({ value: z.number() }) });

/** A bridge seen from outside by the inspector of Node, so that the measured program is that of users. */
export class Inspected {
  readonly #socket: WebSocket;
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect({ stderr }: BridgeProcess): Promise<Inspected> {
    const address = (): string | undefined => ADDRESS.exec(stderr.join('\n'))?.[1];
    await until(() => address() !== undefined, 'the inspector listens');
    const socket = new WebSocket(address() ?? '');
    await once(socket, 'open');
    return new Inspected(socket);
  }

  /** Bytes of the heap, and of buffers, after a garbage collection. */
  async heldBytes(): Promise<number> {
    await this.#send('HeapProfiler.collectGarbage');
    await this.#send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize = 0 } = heapSchema.parse(await this.#send('Runtime.getHeapUsage'));
    return usedSize + backingStorageSize;
  }

  /** What its event loop waits for: sockets, timers, file operations. */
  async handles(): Promise<number> {
    const expression = 'process.getActiveResourcesInfo().length';
    return evaluatedSchema.parse(await this.#send('Runtime.evaluate', { expression })).result.value;
  }

  close(): void {
    this.#socket.terminate();
  }

  async #send(method: string, params: object = {}): Promise<unknown> {
    this.#asked += 1;
    const id = this.#asked;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const take = (data: Buffer): void => {
      const answer = answerSchema.safeParse(JSON.parse(String(data))).data;
      if (answer?.id === id) resolve(answer.result);
    };
    this.#socket.on('message', take);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return promise.finally(() => this.#socket.off('message', take));
  }
}
