import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { noSandbox } from '../support/sandbox.ts';
import { bash, subagent } from '../support/steps.ts';

const PROVIDER_KEY = 'sk-of-the-provider';
const CONFIGURED_KEY = 'sk-in-the-configuration';
const OWNER_TOKEN = 'token-of-owner-json';
const OTHER_TASK = 'work of another task';
const CREDENTIALS = 'credentials in auth.json';

/** Tries what is in reach, from a file, so that no permission is asked for what it names; it prints what it got. */
const ATTACK = `#!/bin/bash
root=$1
say() { echo "== $1"; }
say environment; env
say proc; cat /proc/[0-9]*/environ 2> /dev/null | tr '\\0' '\\n' | grep -aE 'PASSWORD|API_KEY|CONFIG_CONTENT'
say processes; cat /proc/[0-9]*/comm | sort | uniq | tr '\\n' ' '
say ports
for hex in $(awk '$4 == "0A" && $2 ~ /0100007F/ { print $2 }' /proc/net/tcp | cut -d: -f2 | sort -u); do
  port=$((16#$hex))
  for password in "" $(cat /proc/[0-9]*/environ 2> /dev/null | tr '\\0' '\\n' | sed -n 's/^OPENCODE_SERVER_PASSWORD=//p' | sort -u); do
    code=$(curl -s -m 1 -o /tmp/answer-$$ -w '%{http_code}' -u "opencode:$password" "http://127.0.0.1:$port/permission?directory=$PWD")
    grep -q '^\\[' /tmp/answer-$$ 2> /dev/null && [ "$code" = 200 ] && echo "PERMISSIONS at $port"
  done
done
say files; cat "$root/data/owner.json" "$root"/workspace/other/* "$root/home/data/opencode/auth.json" 2>&1
say database; ls "$root/data"; head -c 15 "$root"/data/bridge.db 2>&1
say writing; (echo x > "$root/outside") 2>&1; (echo x > "$root/workspace/other/new") 2>&1; ls "$root" | tr '\\n' ' '
say end
`;

const sandboxes = [
  ['in the sandbox', 'auto'],
  ['without it', 'off'],
] as const;

describe.each(sandboxes)('a hostile command of a task, %s', (_, sandbox) => {
  let bridge: Bridge;
  let got: Record<string, string>;

  beforeAll(async () => {
    bridge = await startBridge({
      shells: { sandbox, passthrough: ['GITHUB_TOKEN'] },
      config: { instructions: [CONFIGURED_KEY] },
      env: {
        ANTHROPIC_API_KEY: PROVIDER_KEY,
        GITHUB_TOKEN: 'handed on',
        HARMLESS: 'harmless',
        AWS_PROFILE: 'account',
      },
    });
    await mkdir(join(bridge.workspaceDir, 'other'), { recursive: true });
    await mkdir(join(bridge.home, 'data', 'opencode'), { recursive: true });
    await writeFile(join(bridge.root, 'data', 'owner.json'), OWNER_TOKEN);
    await writeFile(join(bridge.workspaceDir, 'other', 'file'), OTHER_TASK);
    await writeFile(join(bridge.home, 'data', 'opencode', 'auth.json'), JSON.stringify({ x: CREDENTIALS }));
    const directory = join(bridge.workspaceDir, 'hostile');
    await mkdir(directory);
    await writeFile(join(directory, 'attack.sh'), ATTACK);
    const steps = [
      subagent([bash(`bash attack.sh '${bridge.root}' > report 2>&1`), { text: 'tried' }]),
      { text: 'Done.' },
    ];
    const task = await bridge.run(steps, { directory });
    expect(task).toMatchObject({ status: 'completed' });
    const report = (await readFile(join(directory, 'report'), 'utf8')).split('== ').slice(1);
    got = Object.fromEntries(report.map((part) => [part.split('\n')[0], part.slice(part.indexOf('\n') + 1)]));
    expect(Object.keys(got)).toContain('end');
  });
  afterAll(() => bridge?.close());

  it('has no secret in its environment, and what else the operator has', () => {
    expect(got.environment).toContain('HARMLESS=harmless');
    expect(got.environment).toContain('GITHUB_TOKEN=handed on');
    expect(got.environment).not.toMatch(/^OPENCODE_(SERVER|CONFIG|PID)/m);
    expect(got.environment, 'what only the runtime of OpenCode reads').not.toMatch(/^BUN_(JSC|INSPECT)/m);
    expect(got.environment).not.toContain(PROVIDER_KEY);
    expect(got.environment).not.toContain(CONFIGURED_KEY);
    expect(got.environment).not.toContain('AWS_PROFILE');
  });

  it('finds no password and no key in /proc', () => {
    const { password = 'none' } = bridge.endpoint;
    expect(password).not.toBe('none');
    for (const secret of [password, PROVIDER_KEY, CONFIGURED_KEY])
      expect(JSON.stringify(got)).not.toContain(secret);
  });

  it('cannot list, and so not answer, the permissions of tasks', () => {
    // Other servers of this machine may have their passwords in their environments.
    expect(got.ports).not.toContain(`PERMISSIONS at ${new URL(bridge.endpoint.url).port}\n`);
  });

  it(`reaches files of the bridge and of other tasks: ${sandbox === 'off'}`, (context) => {
    context.skip(sandbox === 'auto' && noSandbox !== undefined, noSandbox);
    const open = sandbox === 'off';
    expect(got.files?.includes(OWNER_TOKEN)).toBe(open);
    expect(got.files?.includes(OTHER_TASK)).toBe(open);
    expect(got.files?.includes(CREDENTIALS)).toBe(open);
    expect(got.database?.includes('SQLite format')).toBe(open);
    expect(existsSync(join(bridge.root, 'outside'))).toBe(open);
    expect(existsSync(join(bridge.workspaceDir, 'other', 'new'))).toBe(open);
    expect(got.processes?.includes('opencode')).toBe(open);
  });
});

it('a project cannot choose another shell', async () => {
  await using bridge = await startBridge();
  const directory = join(bridge.workspaceDir, 'project');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'opencode.json'), JSON.stringify({ shell: '/bin/sh' }));
  const task = await bridge.run([bash('echo "$SHELL"; env | grep -c OPENCODE_PID'), { text: 'Done.' }], {
    directory,
  });
  const output = bridge.events(task).find((event) => event.kind === 'tool' && event.phase === 'finished');
  expect(output).toMatchObject({ output: expect.stringMatching(/bash\n0\n?$/) });
});
