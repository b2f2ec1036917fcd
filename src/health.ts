/** A dependency of the bridge, as `/health` and `doctor` show it. */
export interface DependencyHealth {
  name: string;
  status: 'ok' | 'degraded' | 'down';
  detail: string;
  /** When it was last seen to be `ok`, as ISO 8601; absent if it never was. */
  last_ok_at?: string | undefined;
  /** Of what the bridge delivers to. */
  lag?: DeliveryLag | undefined;
}

/** What is not delivered yet. */
interface DeliveryLag {
  events: number;
  /** Tasks that these events belong to. */
  tasks: number;
  /** Age of the oldest one; absent if there is none. */
  oldest_ms?: number | undefined;
}

/** The status of what works, but not all of it. */
export function downgraded(status: DependencyHealth['status']): DependencyHealth['status'] {
  return status === 'ok' ? 'degraded' : status;
}
