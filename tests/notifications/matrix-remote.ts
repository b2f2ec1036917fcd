import { TASK_KEY, taskMark } from '../../src/matrix/events.ts';
import { MatrixApi } from '../../src/matrix/matrix-api.ts';
import { RateLimitedSender } from '../../src/matrix/rate-limited-sender.ts';
import { MatrixSink } from '../../src/notifications/matrix/matrix-sink.ts';
import { Rooms, type RoomsOptions } from '../../src/notifications/matrix/rooms.ts';
import type { Homeserver } from '../support/homeserver.ts';
import type { Person, RoomEvent } from '../support/person.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import type { SinkParts } from './delivering.ts';
import type { RemoteSystem, Trouble } from './sink-contract.ts';

export function markOf(content: Record<string, unknown>) {
  return taskMark.safeParse(content[TASK_KEY]).data;
}

export const relationOf = ({ content }: RoomEvent) => content['m.relates_to'];
export const isEdit = (event: RoomEvent) => JSON.stringify(relationOf(event) ?? {}).includes('m.replace');
export const kindOf = ({ content }: RoomEvent) => markOf(content)?.event_type;

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'timeout', 'cancelled']);

export interface MatrixRemote extends RemoteSystem {
  readonly homeserver: Homeserver;
  readonly proxy: FaultyProxy;
  readonly bot: Person;
  readonly human: Person;
  /** The room for all tasks, in thread mode. */
  readonly roomId: string;
  /** Of the sink that was made last. */
  rooms(): Rooms | undefined;
}

/** The same with a homeserver of its own, which goes with it. */
export async function ownMatrixRemote(startHomeserver: () => Promise<Homeserver>): Promise<RemoteSystem> {
  const homeserver = await startHomeserver();
  const far = await matrixRemote(homeserver);
  const dispose = async (): Promise<void> => {
    await far[Symbol.asyncDispose]();
    await homeserver[Symbol.asyncDispose]();
  };
  return { ...far, [Symbol.asyncDispose]: dispose };
}

let bots = 0;

/** A room with a bridge of its own and a person in it; the bridge reaches it through a proxy that can make trouble. */
export async function matrixRemote(
  homeserver: Homeserver,
  options: Partial<RoomsOptions> = {},
): Promise<MatrixRemote> {
  bots += 1;
  const [bot, human] = [await homeserver.user(`bridge-${bots}`), await homeserver.user('ann')];
  const roomId = await human.createRoom({ name: 'Tasks' });
  await human.invite(roomId, bot.userId);
  const proxy = await startFaultyProxy(homeserver.url);
  let agents = 0;
  let rooms: Rooms | undefined;
  const answer = (kind: Trouble) => (kind === 'error' ? { status: 503 } : kind);
  return {
    homeserver,
    proxy,
    bot,
    human,
    roomId,
    rooms: () => rooms,
    sink({ clock }: SinkParts) {
      const api = new MatrixApi({ url: proxy.url, token: bot.token });
      rooms = new Rooms({ api, userId: bot.userId, mode: 'thread', roomId, observers: [], ...options });
      const sender = new RateLimitedSender(api, clock);
      return new MatrixSink({
        rooms,
        sender,
        mode: options.mode ?? 'thread',
        observers: options.observers ?? [],
      });
    },
    agent() {
      agents += 1;
      return `agent-${agents}`;
    },
    trouble(kind, about) {
      proxy.fault = (_, path) => (kind && path.includes(about?.taskId ?? '') ? answer(kind) : undefined);
    },
    stop: () => homeserver.stop(),
    start: () => homeserver.start(),
    async seen(_, taskId) {
      const events = await human.events(roomId);
      const posted = events
        .flatMap(({ content }) => markOf(content) ?? [])
        .filter(({ task_id }) => task_id === taskId);
      const statuses = posted.flatMap(({ status }) => status ?? []);
      return {
        statuses: statuses.filter((status, index) => status !== statuses[index - 1]),
        ends: posted.filter(({ event_type }) => ENDS.has(event_type)).length,
      };
    },
    async [Symbol.asyncDispose]() {
      await proxy.close();
    },
  };
}
