import { MatrixApi } from './matrix-api.ts';
import { MatrixSink } from './matrix-sink.ts';
import { Rooms } from './rooms.ts';
import { Sender } from './sender.ts';

export interface MatrixOptions {
  /** The homeserver, without a path. */
  url: string;
  token: string;
  /** Whose the token is. */
  userId: string;
  mode: 'thread' | 'room';
  roomId: string | undefined;
  observers: readonly string[];
}

/** Everything that the bridge has to do with Matrix, over one account. */
export class Matrix {
  readonly sink: MatrixSink;

  constructor({ url, token, userId, mode, roomId, observers }: MatrixOptions) {
    const api = new MatrixApi({ url, token });
    const rooms = new Rooms({ api, userId, mode, roomId, observers });
    this.sink = new MatrixSink({ rooms, sender: new Sender(api), mode, observers });
  }
}
