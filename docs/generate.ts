import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MEANINGS } from '../src/api/field-meanings.ts';
import type { Variable as AnyVariable } from '../src/config/variables/variable.ts';
import { VARIABLES } from '../src/config/variables.ts';
import type { Tool } from '../src/mcp/tool.ts';
import { TOOLS } from '../src/mcp/tools/index.ts';
import { TASK_STATUSES } from '../src/tasks/task.ts';
import { apiPage } from './api.ts';
import { clientsPage } from './clients.ts';
import { eventsPage } from './events.ts';
import { code, fields, NOTE, table } from './markdown.ts';
import { metricsPage } from './metrics.ts';

const ROOT = join(import.meta.dirname, '..');

interface Variable {
  name: string;
  fallback: string | undefined;
  shown: string | undefined;
  group: string;
  about: string;
}

const variables: Variable[] = Object.entries<AnyVariable>(VARIABLES).map(([name, variable]) => ({
  name,
  fallback: variable.default,
  shown: variable.shown,
  group: variable.group,
  about: variable.alias === undefined ? variable.about : `${variable.about} Other name: ${variable.alias}.`,
}));
const groups = [...Map.groupBy(variables, ({ group }) => group)];

/** The generated files: path from the top of the repository → content. */
export function generate(): Record<string, string> {
  return {
    '.env.example': envExample(),
    'docs/api.md': apiPage(),
    'docs/clients.md': clientsPage(readFileSync(join(ROOT, 'docs/clients.md'), 'utf8')),
    'docs/configuration.md': configuration(),
    'docs/deploy/kubernetes/components/monitoring/prometheus-rule.yaml': prometheusRule(),
    'docs/events.md': eventsPage(),
    'docs/metrics.md': metricsPage(),
    'docs/tools.md': tools(),
  };
}

/** The generated files whose content on disk differs from the code. */
export function stale(root = ROOT): string[] {
  return Object.entries(generate()).flatMap(([path, content]) =>
    readIfThere(join(root, path)) === content ? [] : [path],
  );
}

/** The rules of docs/deploy/prometheus as an object of the Prometheus operator. */
function prometheusRule(): string {
  const rules = readFileSync(join(ROOT, 'docs/deploy/prometheus/rules.yml'), 'utf8');
  const indented = rules.replace(/^#.*\n/, '').replace(/^(?=.)/gm, '  ');
  return `# Written by \`npm run docs\` from docs/deploy/prometheus/rules.yml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: opencode-bridge
spec:
${indented}`;
}

function envExample(): string {
  const lines = [
    '# Every variable of the bridge with its default; docs/configuration.md shows the same as a table.',
    '# npm start, npm run stdio, doctor and opencode:… read a copy of it named .env in this folder.',
  ];
  for (const [group, members] of groups) {
    lines.push('', `# ---- ${group} ----`);
    for (const { name, fallback, shown, about } of members) {
      lines.push(`# ${about}${shown === undefined ? '' : ` Default: ${shown}.`}`);
      lines.push(fallback === undefined ? `# ${name}=` : `${name}=${fallback}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function configuration(): string {
  const intro = [
    NOTE,
    '# Configuration',
    'The bridge is configured only by environment variables. A blank value counts as unset. The older name of a variable still works; it is an error if both names are set to different values. The bridge reports all wrong values at once, by name, and exits with code 2. Flags take true, 1, yes, on, false, 0, no, off. Times are in milliseconds. `.env.example` lists the same variables; in a checkout `npm start` also reads them from a file named `.env`.',
    'The file has one `NAME=value` on each line, in UTF-8, with LF or CRLF. It may have `export` before a name, a comment after a value and quotes around a value; a value that contains `#` needs quotes. Variables that are already in the environment take precedence. Lines that would be silently misread (a name after a byte order mark, a value cut at its `#`, an unclosed quote) are refused by name and line. docker-compose reads quotes, comments and CRLF the same way, ignores a byte order mark, and keeps a `#` without a preceding blank. `docker run --env-file` keeps quotes and comments as part of the value, which is refused too.',
  ];
  const sections = groups.flatMap(([group, members]) => [
    `## ${group}`,
    table(
      ['variable', 'default', 'meaning'],
      members.map(({ name, fallback, shown, about }) => [
        code(name),
        shown ?? (fallback ? code(fallback) : 'unset'),
        about,
      ]),
    ),
  ]);
  return `${[...intro, ...sections].join('\n\n')}\n`;
}

function tools(): string {
  const intro = [
    NOTE,
    '# Tools',
    'The tools that an agent can call over MCP. Every answer has structured content with the fields below, and the same information as a short text. A star marks fields that are always present. A failed call returns a result with `isError: true`, a stable code and what to do next. The descriptions are those that the agent reads.',
    'The bridge accepts the usual variations of arguments. For optional arguments, `null`, `""` and an empty list count as absent. If a number, a boolean or a list is expected, a string with exactly one such meaning is converted: `"5000"`, `"true"`, `"[\\"a\\"]"`. Fields that platforms add to every call (`toolCallId`, `tool`, `sessionId`, `action`, `chatInput`, `request_heartbeat`) are ignored. Any other unknown name is refused, with the name that was probably meant.',
    'An answer has at most 100,000 characters over both forms, about 25,000 tokens, and a cursor if there is more. Two calls may request more: `read_task_file` with a `limit` above 24,000, up to `MAX_TASK_FILE_SIZE` bytes (1 MiB), and `get_task_history` with `events_limit` 1, which never cuts the event (a message has at most 1,000,000 characters). Such a page is complete only in the structured content; the text has its beginning. See [decision 18](decisions/0018-an-answer-fits-and-stands-in-both-forms.md).',
    'The bridge serves MCP 2025-03-26 to 2025-11-25 with sessions, and 2026-07-28 without: there each call names its agent by token, header or `agent_id`. A client of 2026-07-28 that has the Tasks extension gets a Task from `opencode_execute_task`, with the `task_id` as its id, so that all tools work on it too. Its result is the answer that `sync` would have given; permissions and questions come as forms. See [decision 34](decisions/0034-two-eras-of-mcp-on-one-endpoint.md). What clients can read and subscribe to besides is in [Resources and prompts](resources.md).',
    TOOLS.map(({ name, title }) => `- [${code(name)}](#${name}): ${title}`).join('\n'),
  ];
  const status = [
    '## Status',
    `A task is ${TASK_STATUSES.map(code).join(', ')}. The last four are final. \`input_required\` means that a permission or a question waits for \`answer_task_request\`.`,
  ];
  const forms = [
    '## Forms',
    'If a client can show a form to its user (it declares `elicitation`), a call that waits shows what its task asks: `opencode_execute_task` with `sync`, and `get_task_status` with `wait_ms`. The call then goes on with the answer and needs no `answer_task_request`. In a session the form is a request of the server on the stream of the call; in 2026-07-28 the call answers `input_required`, and the client repeats it with the filled form. A client with the Tasks extension gets the form in the Task instead.',
    table(
      ['the user', 'effect'],
      [
        [
          'fills in the form',
          'the request is answered, in the name of the calling agent, and the call waits on',
        ],
        ['declines', 'the request is rejected with the words "Declined by the user", and the call waits on'],
        [
          'closes the form',
          'the request stays open for all others, and the call answers `input_required`; the session does not show it again',
        ],
        [
          'does nothing',
          'the form is withdrawn when the wait ends; the next call that waits shows it again, until the deadline of the request',
        ],
      ],
    ),
    'The first answer wins, whether it comes from a form, a tool, the task API, the page or Matrix. If it comes from elsewhere, the form is withdrawn and the call waits on. An answer that does not fit the form counts as none. No form is sent to a client that accepts only JSON in a session. `ELICITATION=off` sends none to anybody. See [decision 36](decisions/0036-people-in-the-client-answer-by-forms.md).',
  ];
  return `${[...intro, ...TOOLS.flatMap(section), ...forms, ...status].join('\n\n')}\n`;
}

function section({ name, title, description, input, output, annotations }: Tool): string[] {
  const taken = fields(z.toJSONSchema(input, { io: 'input' }), meaningIn(name, 'input'));
  const answered = fields(z.toJSONSchema(output, { io: 'output' }), meaningIn(name));
  const hints = Object.entries(annotations).map(([hint, value]) => code(`${hint}: ${value}`));
  return [
    `## ${name}`,
    `**${title}.** ${description}`,
    taken.length === 0 ? 'No input.' : table(['input', 'type', 'meaning'], taken),
    table(['answer', 'type', 'meaning'], answered),
    `Annotations: ${hints.join(', ') || 'none'}.`,
  ];
}

function meaningIn(...places: string[]) {
  return (field: string, said: string): string => {
    const keys = [...places.map((place) => `${place}.${field}`), field];
    return keys.map((key) => MEANINGS[key]).find(Boolean) ?? said;
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function main(check: boolean): number {
  const files = stale();
  if (!check) {
    for (const path of files) writeFileSync(join(ROOT, path), generate()[path] ?? '');
    return 0;
  }
  for (const path of files)
    process.stderr.write(`${path} differs from what the code generates: run "npm run docs".\n`);
  return files.length > 0 ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.includes('--check'));
