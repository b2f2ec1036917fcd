import type * as inbox from '../../store/inbox-store.ts';
import type { MatrixEvent } from '../events.ts';

// The inbox of the store, with events of Matrix.
export type InboxEntry = inbox.InboxEntry<MatrixEvent>;
export type InboxMessage = inbox.InboxMessage<MatrixEvent>;
export type InboxStore = inbox.InboxStore<MatrixEvent>;
