import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import { quote } from '../errors.ts';
import type { Ack, Batch, Sink } from './sink.ts';

const receiptSchema = z.object({
  upTo: z.number().int().optional(),
  againAt: z.number().optional(),
  settled: z.boolean().optional(),
});

/**
 * Calls the sink, which may throw, hang or answer what it likes: rejects at its limit, and at once when `cut` aborts.
 * Whatever it does after that has no effect here.
 */
export async function callSink(
  sink: Sink,
  batch: Omit<Batch, 'signal'>,
  clock: Clock,
  cut: AbortSignal,
): Promise<Ack> {
  const over = Promise.withResolvers<never>();
  const call = new AbortController();
  const end = (why: string) => () => over.reject(new DeliveryError(why));
  const cancel = clock.after(sink.limitMs, end(`no answer within ${sink.limitMs / 1_000} s`));
  const stopped = end('the bridge stopped meanwhile');
  cut.addEventListener('abort', stopped);
  const save = (notes: object, durably?: boolean): void => {
    if (call.signal.aborted) throw new DeliveryError('the call was given up meanwhile');
    batch.save(notes, durably);
  };
  const deliver = async () => sink.deliver({ ...batch, save, signal: call.signal });
  try {
    return readAck(await Promise.race([deliver(), over.promise]));
  } finally {
    cancel();
    cut.removeEventListener('abort', stopped);
    call.abort();
  }
}

function readAck(answer: unknown): Ack {
  const { data } = receiptSchema.safeParse(answer);
  if (!data) throw new DeliveryError(`the sink answered ${quote(answer)}`);
  return data;
}
