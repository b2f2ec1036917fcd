import { expect } from 'vitest';
import type { Homeserver } from '../support/homeserver.ts';
import type { Content, Person, RoomEvent } from '../support/person.ts';

/** Two people at a homeserver. */
export interface TwoUsers {
  homeserver: Homeserver;
  anna: Person;
  bob: Person;
  /** A room that Anna made and Bob joined. */
  shared(options?: Content): Promise<string>;
}

export async function twoUsersAt(homeserver: Homeserver): Promise<TwoUsers> {
  const [anna, bob] = [await homeserver.user('anna'), await homeserver.user('bob')];
  const shared = async (options: Content = {}): Promise<string> => {
    const room = await anna.createRoom({ invite: [bob.userId], ...options });
    await bob.join(room);
    return room;
  };
  return { homeserver, anna, bob, shared };
}

/** How a homeserver refuses. */
export const refusal = (status: number, errcode: string) => expect.objectContaining({ status, errcode });

/** What a message says, or what else it is. */
export const textOf = ({ type, content }: Pick<RoomEvent, 'type' | 'content'>) => content.body ?? type;
