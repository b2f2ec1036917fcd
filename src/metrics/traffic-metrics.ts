import { Counter, Histogram, type Registry } from 'prom-client';

const REQUEST_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60];

/** Requests over HTTP and calls of MCP tools, as the transports report them. */
export class TrafficMetrics {
  readonly #requests: Counter<'method' | 'route' | 'status'>;
  readonly #requestTime: Histogram<'route'>;
  readonly #calls: Counter<'tool' | 'result'>;
  readonly #callTime: Histogram<'tool'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'opencode_bridge_http_requests_total',
      help: 'Responses over HTTP, by route; requests that no route takes are `none`.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.#requestTime = new Histogram({
      name: 'opencode_bridge_http_request_seconds',
      help: 'Time until a response over HTTP had ended; streams and waiting calls take long.',
      labelNames: ['route'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#calls = new Counter({
      name: 'opencode_bridge_mcp_tool_calls_total',
      help: 'Calls of MCP tools, by result: `ok` or the code of the error.',
      labelNames: ['tool', 'result'],
      registers,
    });
    this.#callTime = new Histogram({
      name: 'opencode_bridge_mcp_tool_call_seconds',
      help: 'Duration of calls of MCP tools; calls that wait take long.',
      labelNames: ['tool'],
      buckets: REQUEST_SECONDS,
      registers,
    });
  }

  /** A response has ended. `route` as the route is written, never with an id in it. */
  readonly request = (method: string, route: string, status: number, ms: number): void => {
    this.#requests.inc({ method, route, status });
    this.#requestTime.observe({ route }, ms / 1_000);
  };

  /** A call of a tool was answered. */
  readonly toolCall = (tool: string, result: string, ms: number): void => {
    this.#calls.inc({ tool, result });
    this.#callTime.observe({ tool }, ms / 1_000);
  };
}
