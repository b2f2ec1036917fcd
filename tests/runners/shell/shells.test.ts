import { execFile } from 'node:child_process';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { noSandbox } from '../../support/sandbox.ts';
import { tempDir } from '../../support/temp.ts';

const HOST = join(import.meta.dirname, '../../support/shell-host.ts');
const run = promisify(execFile);
const told = z.object({
  outcomes: z.array(z.object({ code: z.number().nullable(), stdout: z.string(), stderr: z.string() })),
  left: z.array(z.object({ command: z.string(), since: z.string(), ports: z.array(z.number()) })),
});
const isRoot = process.getuid?.() === 0;
const USER = 1000;

beforeEach((context) => context.skip(noSandbox !== undefined, noSandbox));

describe.each(isRoot ? ['root', 'another user'] : ['this user'])('the shell of a task, as %s', (who) => {
  const other = who === 'another user';
  const uid = other ? USER : process.getuid?.();

  /** Runs the commands in one shell, in a root folder with a secret of the bridge and a file of another task. */
  const outcomesOf = (...commands: string[]) => outcomesWith({}, undefined, ...commands);

  /** The same with these files in the home, of which one path is shown to commands. */
  async function outcomesWith(
    home: Record<string, string>,
    readable: string | undefined,
    ...commands: string[]
  ) {
    await using root = await tempDir('shells-');
    for (const [name, content] of Object.entries(home)) {
      await mkdir(dirname(join(root.path, name)), { recursive: true });
      await writeFile(join(root.path, name), content);
    }
    await mkdir(join(root.path, 'workspace', 'two'), { recursive: true });
    await mkdir(join(root.path, 'data'));
    await writeFile(join(root.path, 'data', 'owner.json'), 'secret');
    await writeFile(join(root.path, 'workspace', 'two', 'file'), 'secret');
    if (other) await giveAway(root.path);
    const as = other ? ['setpriv', '--reuid', `${USER}`, '--regid', `${USER}`, '--clear-groups'] : [];
    const [program = '', ...args] = [...as, process.execPath, HOST, root.path, ...commands];
    const READABLE = readable && join(root.path, readable);
    const env = { PATH: process.env.PATH, HOME: root.path, READABLE };
    return told.parse(JSON.parse((await run(program, args, { env, cwd: root.path })).stdout));
  }

  it('returns exit code, stdout and stderr, and accepts stdin', async () => {
    const { outcomes } = await outcomesOf('id -u; echo oops >&2; exit 7', 'cat', 'kill -TERM $$', 'pwd');
    expect(outcomes).toMatchObject([
      { code: 7, stdout: `${uid}\n`, stderr: 'oops\n' },
      { code: 0, stdout: 'from stdin' },
      { code: null },
      { code: 0, stdout: expect.stringMatching(/\/workspace\/one\n$/) },
    ]);
  });

  it('can write in the folder and its own /tmp alone, and keeps both between commands', async () => {
    const { outcomes } = await outcomesOf(
      'echo 1 > file && echo 2 > /tmp/file',
      'cat file /tmp/file',
      'echo x > ../two/file',
      'echo x > /etc/letta-opencode-plugin; echo x > "$HOME/x"; echo x > /usr/x; echo x > /run/x',
      'test -e /etc/letta-opencode-plugin || test -e /usr/x || echo none',
    );
    expect(outcomes[1]?.stdout).toBe('1\n2\n');
    expect(outcomes[2]?.code).not.toBe(0);
    expect(outcomes[3]?.stderr.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(3);
    expect(outcomes[4]?.stdout).toBe('none\n');
  });

  it('sees neither the bridge, nor other tasks, nor other processes', async () => {
    const { outcomes } = await outcomesOf(
      'cat ../../data/owner.json ../two/file; ls ../../data ../; ls /run/docker.sock /var/run/docker.sock',
      'cat /proc/[0-9]*/comm | sort | uniq -c | sort -rn | awk \'{print $2}\' | tr "\\n" " "',
      'ls -d /proc/[0-9]* | wc -l',
    );
    expect(outcomes[0]?.stdout).not.toContain('secret');
    expect(outcomes[0]?.stdout).not.toContain('docker');
    expect(outcomes[0]?.stdout).not.toContain('two');
    expect(outcomes[1]?.stdout).not.toContain('node');
    expect(Number(outcomes[2]?.stdout)).toBeLessThan(8);
  });

  it('finds no key, token or password in the home, but what the operator shows', async () => {
    const home = {
      '.ssh/id_ed25519': 'secret key',
      '.ssh/known_hosts': 'a host',
      '.aws/credentials': 'secret of a cloud',
      '.config/gh/hosts.yml': 'secret of a forge',
      '.git-credentials': 'https://anna:secret@forge.test',
      '.npmrc': '//registry.test/:_authToken=secret\n',
      '.yarnrc.yml': 'npmRegistryServer: https://registry.test\n',
      '.bash_history': 'login --password secret',
    };
    const { outcomes } = await outcomesWith(
      home,
      '.ssh/known_hosts',
      `cd && cat ${Object.keys(home).join(' ')} 2> /dev/null`,
      'cd && ls -A .ssh .aws; rm -rf .ssh .npmrc; mv .aws cloud; umount .aws; cat .ssh/id_ed25519 .npmrc',
    );
    expect(outcomes[0]?.stdout).toBe('a hostnpmRegistryServer: https://registry.test\n');
    expect(outcomes[1]?.stdout).toBe('.aws:\n\n.ssh:\nknown_hosts\n');
  });

  it('resists the usual escapes', async () => {
    const secret = '../../data';
    const { outcomes } = await outcomesOf(
      `umount ${secret} || mount -o remount,rw / || mount -t proc none /proc; cat ${secret}/owner.json`,
      `unshare -Urmp --fork sh -c 'umount -l ../../data; mount -o remount,rw,bind /; mount -o remount,rw /; echo x > /usr/x; cat ../../data/owner.json'`,
      'nsenter -t 1 -m true; cat /proc/1/root/../../data/owner.json; ls /proc/1/cwd/data',
      'mknod /tmp/disk b 8 0; mknod /tmp/disk2 b 254 0; cat /tmp/disk | head -c 1; echo 1 > /proc/sys/vm/drop_caches',
      'grep -E "^(CapEff|NoNewPrivs)" /proc/self/status',
    );
    for (const { stdout } of outcomes.slice(0, 4)) expect(stdout).toBe('');
    const [effective = '', privileges] = outcomes[4]?.stdout.trim().split('\n') ?? [];
    const CAP_SYS_ADMIN = 21n;
    expect((BigInt(`0x${effective.split('\t')[1]}`) >> CAP_SYS_ADMIN) & 1n).toBe(0n);
    expect(privileges).toBe('NoNewPrivs:\t1');
  });

  it('keeps background processes, and ends them with the task', async () => {
    const marker = `1234${process.pid}`;
    const { outcomes, left } = await outcomesOf(
      `setsid nohup sleep ${marker} > /dev/null 2>&1 & echo started`,
      'ps ax -o args | grep "^sleep"',
    );
    expect(outcomes[1]?.stdout).toBe(`sleep ${marker}\n`);
    expect(left).toEqual([{ command: `sleep ${marker}`, since: expect.any(String), ports: [] }]);
    expect(Math.abs(Date.parse(left[0]?.since ?? '') - Date.now())).toBeLessThan(60_000);
    const { stdout } = await run('ps', ['ax', '-o', 'args']);
    expect(stdout).not.toContain(`sleep ${marker}`);
  });

  it('restarts after a command has killed it', async () => {
    // A command during the restart may fail.
    const { outcomes } = await outcomesOf('kill -KILL 2; sleep 1', ...Array(10).fill('echo back'));
    expect(outcomes.at(-1)).toMatchObject({ code: 0, stdout: 'back\n' });
  });
});

async function giveAway(path: string): Promise<void> {
  await run('chown', ['-R', `${USER}:${USER}`, path]);
  await chown(path, USER, USER);
}
