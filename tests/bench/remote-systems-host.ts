import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { startSynapse, synapseIsThere } from '../support/homeserver.ts';
import { startLetta } from '../support/letta.ts';

/**
 * `node remote-systems-host.ts <agents>`: Letta with so many agents, and Matrix with a room that the bridge is invited to. They
 * get only the processor time that nobody else wants: in earnest they run elsewhere. Says on stdout how to reach them,
 * and ends with stdin.
 */
setPriority(constants.priority.PRIORITY_LOW);
const [, , agents = '1'] = process.argv;
await using letta = await startLetta();
const real = synapseIsThere();
await using homeserver = await (real ? startSynapse() : startFakeHomeserver());
const [bot, reader] = [await homeserver.user('bridge'), await homeserver.user('ann')];
const roomId = await reader.createRoom({ name: 'Tasks' });
await reader.invite(roomId, bot.userId);
const sides = {
  homeserver: real ? 'Synapse' : 'a fake homeserver',
  agents: Array.from({ length: Number(agents) }, () => letta.addAgent()),
  reader,
  roomId,
  variables: {
    LETTA_API_URL: letta.url,
    WORKSPACE_DETACH_DELAY_MS: '0',
    MATRIX_ENABLED: 'true',
    MATRIX_HOMESERVER_URL: homeserver.url,
    MATRIX_USER_ID: bot.userId,
    MATRIX_ACCESS_TOKEN: bot.token,
    MATRIX_ROOM_ID: roomId,
    MATRIX_DEFAULT_HUMAN_OBSERVERS: reader.userId,
  },
};
process.stdout.write(`${JSON.stringify(sides)}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
