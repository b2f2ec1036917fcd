import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { LockInfo } from '../../store/lock-info.ts';

/** Where the messages of a stdio client go. */
export interface UpstreamTarget {
  transport: Transport;
  /** Rejects when it is for good that it cannot go on; never resolves. */
  failure: Promise<never>;
  close(): Promise<void>;
  /** What kind of process serves there; absent: this one. */
  joined?: LockInfo['kind'];
}
