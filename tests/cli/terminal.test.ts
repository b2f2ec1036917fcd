import { execFileSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quote } from '../../src/errors.ts';
import { commandLine } from './command.ts';

/** What clears a screen or turns the reading direction: CSI in 7 and in 8 bits, a bell, an override. */
const TRICKS = '\x1b[2J\x9b2J\x07\u202e';
const HARMLESS = /^[\t\n\x20-\x7e\u{a0}-\u{2027}\u{2030}-\u{2065}\u{2070}-\u{10ffff}]*$/u;

it('log lines escape what could steer a terminal, and stay JSON', () => {
  const program = `import { createLogger } from './src/logger.ts';
    createLogger('info').child({ child: ${JSON.stringify(TRICKS)} }).info({ path: ${JSON.stringify(`ä\n${TRICKS}`)} }, 'said');`;
  const line = execFileSync(
    'sh',
    ['-c', '"$0" --input-type=module -e "$1" 2>&1', process.execPath, program],
    {
      encoding: 'utf8',
      cwd: join(import.meta.dirname, '../..'),
    },
  );
  expect(line).toMatch(HARMLESS);
  expect(JSON.parse(line)).toMatchObject({ child: TRICKS, path: `ä\n${TRICKS}`, msg: 'said' });
});

it('quoted values escape it, and what is nested without end is quoted as such', () => {
  expect(quote(TRICKS)).toBe(String.raw`"\u001b[2J\u009b2J\u0007\u202e"`);
  expect(JSON.parse(quote(TRICKS))).toBe(TRICKS);
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  expect(quote(deep)).toBe('(nested too deeply to be shown)');
});

it('what ends the program is said without it', async () => {
  await using cli = await commandLine();
  const outcome = await cli.run('serve', {
    OPENCODE_SERVER_ENABLED: 'true',
    DATA_DIR: `/dev/null/${TRICKS}`,
  });
  expect(outcome.code).toBe(3);
  expect(outcome.stderr).toContain('/dev/null/');
  expect(outcome.stderr).toMatch(HARMLESS);
});

it('the doctor shows what other programs say without it', async () => {
  await using cli = await commandLine();
  const bin = join(cli.home, 'opencode');
  await writeFile(
    bin,
    `#!/bin/sh\n[ "$1" = --version ] && echo "9.9${TRICKS}" && exit\necho "${TRICKS}" >&2\nexit 3\n`,
  );
  await chmod(bin, 0o755);
  const outcome = await cli.run('doctor', { OPENCODE_SERVER_ENABLED: 'true', OPENCODE_BIN: bin });
  expect(outcome.stdout).toContain(String.raw`\u001b[2J`);
  expect(outcome.stdout).toMatch(HARMLESS);
});
