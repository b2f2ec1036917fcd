/** A dependency of the bridge, as `/health` and `doctor` show it. */
export interface DependencyHealth {
  name: string;
  status: 'ok' | 'degraded' | 'down';
  detail: string;
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
