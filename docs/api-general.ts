/** What is true of all routes. */
export const GENERAL: readonly string[] = [
  '## Examples',
  'The examples on this page use these variables. Without `MCP_AUTH_TOKENS` the bridge needs no token.',
  '```sh\nBRIDGE=http://127.0.0.1:3500\nTOKEN=...    # one of MCP_AUTH_TOKENS\nTASK=...     # execution_id in the answer to POST /tasks/execute\nREQUEST=...  # id of a request in the answer to GET /tasks/{task_id}/status\n```',
  '## Authentication',
  'With `MCP_AUTH_TOKENS` every request needs `Authorization: Bearer <token>`, except `GET /openapi.json`, `/session`, `/health`, `/ready` and the files of the page. A token in the URL is not accepted. Web pages of other origins need an origin in `MCP_ALLOWED_ORIGINS`; preflight requests are answered for them.',
  'The page of the bridge exchanges the token for a session: [POST /session](#post-session). Each of its requests has the cookie `bridge_session` and the header `X-CSRF-Token`; one without the other is answered with 401.',
  '## Agent',
  'A task belongs to the agent that handed it over. The agent is the one to which the token is bound, else the header `X-Agent-Id`, else the query parameter `agent_id` (in a body also the field `agent_id`), else `default`. If two of them differ, the answer is 403. For other agents the task does not exist: they get 404. A caller that may name any agent can read and control the tasks of all with `agent_id=*`; with a bound token `*` means its own agent.',
  '## Requests',
  'Bodies are JSON objects with `Content-Type: application/json`; no body is the same as `{}`. Unknown fields and parameters are refused, with the name that was probably meant. For optional ones `null`, `""` and `[]` count as absent, and a string with exactly one meaning as a number or boolean is converted, as for [tools](tools.md). Each GET route also answers HEAD. A method that a path does not have is answered with 405 and `Allow`.',
  '## Idempotency',
  'Repeat `POST /tasks/execute` safely with an `Idempotency-Key` header, or the field `idempotency_key`: the same key and request within 24 h return the same task, with `repeated: true`. The same key with a different request is refused with 409. Cancel, pause and resume can be repeated.',
  '## Errors',
  'Errors are `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): the [Problem](#problem) has a stable `code`, the reason in `detail` and what to do in `next`. 429 and 503 have `Retry-After`. Every route can answer 400 `INVALID_INPUT`, 401 `UNAUTHORIZED`, 403 `FORBIDDEN` or `AGENT_MISMATCH`, 429 `RATE_LIMITED` and 500 `INTERNAL`. A route with a body can answer 413 `PAYLOAD_TOO_LARGE` and 415 `INVALID_INPUT`. A route that is not GET can answer 502 `ENGINE_…` and 503 `SHUTTING_DOWN`. The sections below list only further ones.',
  '## Pages',
  'Lists have a `limit`, and a cursor while there is more: pass `next_cursor` as `cursor`, or `next_after_seq` as `after_seq`. Cursors are opaque. An answer may have fewer rows than `limit`.',
  '## Streams',
  'Streams are server-sent events. `Last-Event-ID`, which an `EventSource` sends by itself, resumes without gap or repeat. A comment every 15 s keeps the connection open. A stream of a task ends after the end of the task; a reconnect then gets 204, at which an `EventSource` stops. A client that does not read is disconnected and can resume.',
];

/** What newcomers meet: answer, reason, what to do. */
export const TROUBLES: readonly string[][] = [
  [
    '401 `UNAUTHORIZED`',
    'No token, or an unknown one; a session that has ended.',
    'Send `Authorization: Bearer <token>` with a token of `MCP_AUTH_TOKENS`. In the page: sign in again.',
  ],
  [
    '403 `FORBIDDEN`, Host',
    'The bridge is called by a name that it does not know.',
    'Add the name to `MCP_ALLOWED_HOSTS`, or call it as `127.0.0.1`.',
  ],
  [
    '403 `FORBIDDEN`, Origin',
    'A web page of another origin calls.',
    'Add its origin, with scheme and port, to `MCP_ALLOWED_ORIGINS`.',
  ],
  [
    '403 `AGENT_MISMATCH`',
    'The token is bound to another agent than the request names.',
    'Leave out `X-Agent-Id` and `agent_id`.',
  ],
  [
    '404 `TASK_NOT_FOUND`',
    'The task belongs to another agent, was removed, or the id is wrong.',
    'Use the token and `X-Agent-Id` with which it was handed over. `GET /tasks` lists your tasks.',
  ],
  [
    '409 `IDEMPOTENCY_CONFLICT`',
    'The key was used for a different request.',
    'Use a new key for each new task.',
  ],
  [
    '409 `INVALID_STATE`',
    'The task has ended, or is not in the state that the call needs.',
    '`next` says how to go on; `continue_task_id` starts a new task in the same session.',
  ],
  [
    '413 `PAYLOAD_TOO_LARGE`',
    'The body is larger than `MCP_MAX_BODY_BYTES`, or the description than `MAX_TASK_DESCRIPTION_LENGTH`.',
    'Put long material into a file in the task directory and name the file.',
  ],
  [
    '415 `INVALID_INPUT`',
    'The body has no `Content-Type: application/json`; curl sends a form by default.',
    "Add `-H 'Content-Type: application/json'`.",
  ],
  [
    '429 `QUEUE_FULL`',
    'As many tasks wait as may.',
    'Try again after `Retry-After`, or raise `MAX_QUEUED_TASKS`.',
  ],
  [
    '429 `RATE_LIMITED`',
    'More requests a minute than `MCP_RATE_LIMIT`, too many wrong tokens, or too many open streams or tickets; `detail` says which.',
    'Wait for `Retry-After`; use `wait_ms` or a stream instead of polling.',
  ],
  [
    '502 `ENGINE_UNAVAILABLE`',
    'OpenCode or Docker does not answer.',
    '`GET /health` and `npm run doctor` say why. Tasks are kept.',
  ],
  ['503 `SHUTTING_DOWN`', 'The bridge is stopping.', 'Try again once it is back; tasks are kept.'],
];
