import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { type Homeserver, SYNAPSE_ABSENT, startSynapse, synapseIsThere } from '../support/homeserver.ts';

interface Kind {
  name: string;
  start(options?: { rateLimits?: boolean }): Promise<Homeserver>;
  /** Why there is none. */
  absent: string | undefined;
}

/** For what the bridge and the homeserver must show together; all else of Matrix runs on the fake alone, which homeserver.test.ts keeps like Synapse. */
export const HOMESERVERS: readonly Kind[] = [
  { name: 'the fake', start: startFakeHomeserver, absent: undefined },
  { name: 'Synapse', start: startSynapse, absent: synapseIsThere() ? undefined : SYNAPSE_ABSENT },
];
