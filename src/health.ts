/** A dependency of the bridge, as `/health` and `doctor` show it. */
export interface DependencyHealth {
  name: string;
  status: 'ok' | 'degraded' | 'down';
  detail: string;
}
