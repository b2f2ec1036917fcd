import type { MatrixApi } from '../matrix-api.ts';
import { powerIn } from '../power-levels.ts';

/** The power level of moderators. */
const REQUIRED_LEVEL = 50;

/** Decides who may steer tasks from a room, by the current power levels of the room. */
export class Authority {
  readonly #api: Pick<MatrixApi, 'stateEvent'>;
  readonly #allowed: ReadonlySet<string>;

  constructor(api: Pick<MatrixApi, 'stateEvent'>, allowedSenders: readonly string[]) {
    this.#api = api;
    this.#allowed = new Set(allowedSenders);
  }

  async allows(userId: string, roomId: string, signal: AbortSignal): Promise<boolean> {
    if (this.#allowed.has(userId)) return true;
    const [levels, create] = await Promise.all([
      this.#api.stateEvent(roomId, 'm.room.power_levels', signal),
      this.#api.stateEvent(roomId, 'm.room.create', signal),
    ]);
    return powerIn(create, levels?.content).of(userId) >= REQUIRED_LEVEL;
  }
}
