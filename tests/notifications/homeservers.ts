import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { type Homeserver, SYNAPSE_ABSENT, startSynapse, synapseIsThere } from '../support/homeserver.ts';

interface Kind {
  name: string;
  start(options?: { rateLimits?: boolean }): Promise<Homeserver>;
  /** Why there is none. */
  absent: string | undefined;
}

/** What speaks Matrix here: a suite that holds for both cannot be fooled by the fake. */
export const HOMESERVERS: readonly Kind[] = [
  { name: 'the fake', start: startFakeHomeserver, absent: undefined },
  { name: 'Synapse', start: startSynapse, absent: synapseIsThere() ? undefined : SYNAPSE_ABSENT },
];
