import { credentialProxyRows } from './credential-proxy.ts';
import { dockerRows } from './docker.ts';
import { eventLogRows } from './event-log.ts';
import { loadRows } from './load.ts';
import { mcpRows } from './mcp-eras.ts';
import { observabilityRows } from './observability.ts';
import { pageRows } from './page.ts';
import type { Row } from './report.ts';
import { serverRows } from './server.ts';
import { shellRows } from './shell.ts';
import { sinkRows } from './sinks.ts';
import { taskApiRows } from './task-api.ts';

/** The rows by what they are measured on, in the order of the table. */
export const GROUPS: Readonly<Record<string, () => AsyncIterable<Row>>> = {
  server: serverRows,
  shell: shellRows,
  log: eventLogRows,
  api: taskApiRows,
  load: loadRows,
  mcp: mcpRows,
  page: pageRows,
  sinks: sinkRows,
  observability: observabilityRows,
  credentials: credentialProxyRows,
  docker: dockerRows,
};
