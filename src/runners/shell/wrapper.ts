import { basename, join } from 'node:path';
import type { SandboxPrograms } from './programs.ts';

/** In the environment of a command: the OpenCode session of the task that it belongs to. */
export const SESSION_VARIABLE = 'LETTA_OPENCODE_SESSION';
/** In the environment of whatever the commands of one bridge start: its private folder. */
export const OWNER_VARIABLE = 'LETTA_OPENCODE_SHELLS';
/** Of root's capabilities those that ordinary commands need; none that mounts, traces or makes devices. */
const ROOT_KEEPS = 'chown,dac_override,fowner,fsetid,kill,setgid,setuid,net_bind_service';
const DROP = '--no-new-privs --inh-caps=-all --ambient-caps=-all';
/** What the embedded server is started with, or adds by itself. */
const OF_THE_SERVER = [
  'OPENCODE_SERVER_USERNAME',
  'OPENCODE_SERVER_PASSWORD',
  'OPENCODE_CONFIG_CONTENT',
  'OPENCODE_DISABLE_AUTOUPDATE',
  'OPENCODE_PID',
];
/** How long a command waits for its sandbox to be there. */
const WAITS = 200;

export interface WrapperOptions {
  /** The bridge's private folder for shells. */
  folder: string;
  /** The shell that is run in the end. */
  shell: string;
  withheld: readonly string[];
  /** Absent: commands are not put into a sandbox. */
  sandbox?: { programs: SandboxPrograms; asRoot: boolean; variables: Readonly<Record<string, string>> };
}

/** Where the wrapper lies; OpenCode knows the kind of shell by the name. */
export function wrapperPath(folder: string, shell: string): string {
  return join(folder, 'bin', basename(shell));
}

/** Where the wrapper finds the sandbox of a session: `<process id> <start time>`, or why there is none. */
export function statePath(folder: string, sessionId: string): string {
  return join(folder, 'sandboxes', sessionId);
}

/** The shell script that OpenCode takes for the shell: it drops what is the bridge's and enters the sandbox. */
export function wrapperScript({ folder, shell, withheld, sandbox }: WrapperOptions): string {
  const dropped = new Set([...withheld.filter(isShellName), ...OF_THE_SERVER]);
  return [
    '#!/bin/sh',
    `unset ${[...dropped].join(' ')}`,
    `export SHELL=${quoted(shell)}`,
    ...(sandbox
      ? intoSandbox(folder, shell, sandbox)
      : [`export ${OWNER_VARIABLE}=${quoted(folder)}`, `exec ${quoted(shell)} "$@"`]),
    '',
  ].join('\n');
}

function intoSandbox(
  folder: string,
  shell: string,
  { programs, asRoot, variables }: NonNullable<WrapperOptions['sandbox']>,
): string[] {
  const { nsenter, setpriv } = programs;
  const user = asRoot ? '' : ' -U --preserve-credentials';
  const bounds = asRoot ? ` --bounding-set=-all,+${ROOT_KEEPS.replaceAll(',', ',+')}` : '';
  return [
    `refuse() { echo "letta-opencode-plugin: $1" >&2; exit 126; }`,
    `case "$${SESSION_VARIABLE}" in '' | *[!A-Za-z0-9_-]*) refuse 'this command belongs to no task and is not run.' ;; esac`,
    `state=${quoted(join(folder, 'sandboxes'))}/$${SESSION_VARIABLE}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is of the shell
    'started() { set -f; set -- ${1##*)}; set +f; now=$1${20}; }',
    'waits=0 pid= since= now=',
    // A process id alone could be somebody else's by now.
    'while :; do',
    '  if [ -r "$state" ]; then',
    '    read -r pid since < "$state"',
    `    [ "$pid" = failed ] && refuse "the task's sandbox could not be started: $since"`,
    '    if [ -r "/proc/$pid/stat" ] && read -r stat < "/proc/$pid/stat" 2> /dev/null; then',
    '      started "$stat"',
    '      case "$now" in Z* | X*) ;; ?"$since") break ;; esac',
    '    fi',
    '  fi',
    `  waits=$((waits + 1)); [ $waits -gt ${WAITS} ] && refuse "the task's sandbox is gone."`,
    '  sleep 0.05',
    'done',
    `unset OLDPWD ${SESSION_VARIABLE} TMPDIR TEMP TMP XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${quoted(nsenter)} -t "$pid" -m -p -i${user} --wdns="$PWD" ${quoted(setpriv)} ${DROP}${bounds} ${quoted(shell)} "$@"`,
  ];
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
