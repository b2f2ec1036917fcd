import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { ModernTarget } from '../../mcp/modern-request.ts';
import type { LockInfo } from '../../store/lock-info.ts';

/** The bridge to which the messages of a stdio client go. */
export interface UpstreamTarget {
  transport: Transport;
  /** Where its requests without a session go. */
  modern: ModernTarget;
  /** Rejects when the bridge fails for good; never resolves. */
  failure: Promise<never>;
  /** Ends the session: the bridge answers its open calls. Answers can still arrive until `close`. */
  end(): Promise<void>;
  /** Closes the connection, after `end` where that was not called. */
  close(): Promise<void>;
  /** The command of the process that runs the bridge; absent: this process. */
  remote?: LockInfo['kind'];
}
