import { delay, httpUrl, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Letta');

export const LETTA = {
  LETTA_API_URL: variable({
    schema: httpUrl('LETTA_API_TOKEN').transform((url) => url.replace(/\/v1$/, '')),
    about:
      "Letta's API, such as https://api.letta.com: agents get the state of their tasks into their memory, and are told of the end. Unset: off.",
  }),
  LETTA_API_TOKEN: variable({
    schema: text,
    about: 'API key of Letta Cloud, or the password of a server of yours.',
  }),
  WORKSPACE_DETACH_DELAY_MS: variable({
    schema: delay,
    default: '60000',
    about: "How long a task's block stays in the agent's memory after the agent was told of the end.",
  }),
};
