import type { Config } from '../config/config.ts';
import { quote } from '../errors.ts';
import { configured, EXIT } from './command.ts';
import { down } from './opencode/down.ts';
import { health } from './opencode/health.ts';
import { smoke } from './opencode/smoke.ts';
import { soak } from './opencode/soak.ts';
import { up } from './opencode/up.ts';

const USAGE = `Usage: letta-opencode-plugin opencode <command> [options]

  up       start an OpenCode server from OPENCODE_IMAGE in a container, and wait until it is healthy
             --network bridge|host     host: it listens on this machine's own loopback (bridge)
             --timeout seconds         how long it may take to become healthy (60)
  down     remove that container
  health   wait for server.connected on GET /event; exit code 0 healthy, 1 not
             --timeout seconds         (5)
  smoke    run one session end to end, in a new folder under WORKSPACE_ROOT
             --timeout seconds         how long it may take (120)
             --model provider/model    (OPENCODE_MODEL, then what the server is configured for)
  soak     run such sessions for a time; print their number, latency, errors, and memory
             --minutes number          how long to start new sessions (10)
             --concurrency number      how many sessions run at once (2)
             --timeout, --model        for each session, as for smoke

health, smoke and soak take --baseUrl (http://127.0.0.1:OPENCODE_PORT); the server there need not be in a container.
Exit code 1: it did not start or is not healthy. Exit code 2: a wrong option or variable. See docs/reproducible-engine.md.`;

type Command = (config: Config, args: string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = { up, down, health, smoke, soak };

/** Runs an OpenCode server from a pinned image in a container, and tests any OpenCode server. */
export async function opencode([name, ...args]: string[]): Promise<number> {
  if ([name, ...args].some((word) => word === '--help' || word === '-h' || word === 'help')) {
    process.stdout.write(`${USAGE}\n`);
    return EXIT.ok;
  }
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return command(configured().config, args);
  const wrong = name === undefined ? 'opencode needs a command.' : `Unknown command ${quote(name)}.`;
  process.stderr.write(`${wrong}\n${USAGE}\n`);
  return EXIT.configuration;
}
