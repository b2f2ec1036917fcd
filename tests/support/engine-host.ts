import { createLogger } from '../../src/logger.ts';
import { findOpenCode } from '../../src/runners/opencode-server/binary.ts';
import { EmbeddedServer } from '../../src/runners/opencode-server/embedded-server.ts';
import { hermeticEnv } from './opencode.ts';

/** `node engine-host.ts <home>`: a process with an embedded server; prints the process id of the server once it listens. */
const [, , home = ''] = process.argv;
const server = await EmbeddedServer.start({
  binary: findOpenCode(undefined, process.env.PATH),
  env: hermeticEnv(home, 'http://127.0.0.1:1/v1'),
  cwd: home,
  snapshot: false,
  logger: createLogger('silent'),
});
await server.listening();
process.stdout.write(`${server.pid}\n`);
