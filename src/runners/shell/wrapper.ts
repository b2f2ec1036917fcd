import { basename, join } from 'node:path';
import type { SandboxPrograms } from './programs.ts';

/** Variable of a command: the OpenCode session of its task. */
export const SESSION_VARIABLE = 'LETTA_OPENCODE_SESSION';
/** Variable of every process that commands start: the private folder of the bridge's shells. */
export const OWNER_VARIABLE = 'LETTA_OPENCODE_SHELLS';
/** The capabilities that ordinary commands of root need; none to mount, trace or create devices. */
const KEPT_CAPABILITIES = 'chown,dac_override,fowner,fsetid,kill,setgid,setuid,net_bind_service';
const SETPRIV_OPTIONS = '--no-new-privs --inh-caps=-all --ambient-caps=-all';
/** Variables that the embedded server is started with or sets itself. */
const SERVER_VARIABLES = [
  'OPENCODE_SERVER_USERNAME',
  'OPENCODE_SERVER_PASSWORD',
  'OPENCODE_CONFIG_CONTENT',
  'OPENCODE_DISABLE_AUTOUPDATE',
  'OPENCODE_PID',
];
/** How often a command checks for its sandbox, every 50 ms: for longer than the sandbox may take to start. */
const MAX_WAITS = 800;

export interface WrapperOptions {
  /** The bridge's private folder for shells. */
  folder: string;
  /** The real shell. */
  shell: string;
  /** Variables that commands do not get. */
  withheld: readonly string[];
  /** Absent: commands run without a sandbox. */
  sandbox?: { programs: SandboxPrograms; asRoot: boolean; variables: Readonly<Record<string, string>> };
}

/** The path of the wrapper. It has the name of the shell, by which OpenCode recognizes the kind of shell. */
export function wrapperPath(folder: string, shell: string): string {
  return join(folder, 'bin', basename(shell));
}

/** The state file of a session's sandbox: `<process id> <start time>`, or `failed <reason>`. */
export function statePath(folder: string, sessionId: string): string {
  return join(folder, 'sandboxes', sessionId);
}

/** The script that OpenCode runs as its shell: it unsets the bridge's variables and enters the sandbox. */
export function wrapperScript({ folder, shell, withheld, sandbox }: WrapperOptions): string {
  const dropped = new Set([...withheld.filter(isShellName), ...SERVER_VARIABLES]);
  return [
    '#!/bin/sh',
    `unset ${[...dropped].join(' ')}`,
    `export SHELL=${quoted(shell)}`,
    ...(sandbox
      ? enterSandbox(folder, shell, sandbox)
      : [`export ${OWNER_VARIABLE}=${quoted(folder)}`, `exec ${quoted(shell)} "$@"`]),
    '',
  ].join('\n');
}

function enterSandbox(
  folder: string,
  shell: string,
  { programs, asRoot, variables }: NonNullable<WrapperOptions['sandbox']>,
): string[] {
  const { nsenter, setpriv } = programs;
  const user = asRoot ? '' : ' -U --preserve-credentials';
  const bounds = asRoot ? ` --bounding-set=-all,+${KEPT_CAPABILITIES.replaceAll(',', ',+')}` : '';
  return [
    `refuse() { echo "letta-opencode-plugin: $1" >&2; exit 126; }`,
    `case "$${SESSION_VARIABLE}" in '' | *[!A-Za-z0-9_-]*) refuse 'this command belongs to no task and was not run.' ;; esac`,
    `state=${quoted(join(folder, 'sandboxes'))}/$${SESSION_VARIABLE}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: shell syntax
    'started() { set -f; set -- ${1##*)}; set +f; now=$1${20}; }',
    'waits=0 pid= since= now=',
    // The start time is compared too, as the process id may have been reused.
    'while :; do',
    '  if [ -r "$state" ]; then',
    '    read -r pid since < "$state"',
    `    [ "$pid" = failed ] && refuse "the task's sandbox could not be started: $since"`,
    '    if [ -r "/proc/$pid/stat" ] && read -r stat < "/proc/$pid/stat" 2> /dev/null; then',
    '      started "$stat"',
    '      case "$now" in Z* | X*) ;; ?"$since") break ;; esac',
    '    fi',
    '  fi',
    `  waits=$((waits + 1)); [ $waits -gt ${MAX_WAITS} ] && refuse "the task's sandbox is gone."`,
    '  sleep 0.05',
    'done',
    `unset OLDPWD ${SESSION_VARIABLE} TMPDIR TEMP TMP XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${quoted(nsenter)} -t "$pid" -m -p -i${user} --wdns="$PWD" ${quoted(setpriv)} ${SETPRIV_OPTIONS}${bounds} ${quoted(shell)} "$@"`,
  ];
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
