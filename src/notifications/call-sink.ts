import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import { quote } from '../errors.ts';
import type { Ack, Batch, Sink } from './sink.ts';

const ackSchema = z.object({
  upTo: z.number().int().optional(),
  againAt: z.number().optional(),
  settled: z.boolean().optional(),
});

/**
 * Calls the sink, which may throw, hang or return anything. Rejects at its time limit, and at once when `cancel`
 * aborts. After that the call has no effect: it can save no state.
 */
export async function callSink(
  sink: Sink,
  batch: Omit<Batch, 'signal'>,
  clock: Clock,
  cancel: AbortSignal,
): Promise<Ack> {
  const ended = Promise.withResolvers<never>();
  const call = new AbortController();
  const reject = (why: string) => () => ended.reject(new DeliveryError(why));
  const cancelTimer = clock.after(sink.limitMs, reject(`no answer within ${sink.limitMs / 1_000} s`));
  const onCancel = reject('the bridge stopped during the call');
  cancel.addEventListener('abort', onCancel);
  const save = (state: object, durably?: boolean): void => {
    if (call.signal.aborted) throw new DeliveryError('the call has ended; its state is not saved');
    batch.save(state, durably);
  };
  const deliver = async () => sink.deliver({ ...batch, save, signal: call.signal });
  try {
    return readAck(await Promise.race([deliver(), ended.promise]));
  } finally {
    cancelTimer();
    cancel.removeEventListener('abort', onCancel);
    call.abort();
  }
}

function readAck(answer: unknown): Ack {
  const { data } = ackSchema.safeParse(answer);
  if (!data) throw new DeliveryError(`the sink answered ${quote(answer)}`);
  return data;
}
