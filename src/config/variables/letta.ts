import { delay, httpUrl, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Letta');

export const LETTA = {
  LETTA_API_URL: variable({
    schema: httpUrl('LETTA_API_TOKEN').transform((url) => url.replace(/\/v1$/, '')),
    about:
      "Letta's API, such as https://api.letta.com: agents see the state of their tasks in their memory, and get a message at the end. Unset: off.",
  }),
  LETTA_API_TOKEN: variable({
    schema: text,
    about: 'API key of Letta Cloud, or the password of your own server.',
  }),
  WORKSPACE_DETACH_DELAY_MS: variable({
    schema: delay,
    default: '60000',
    about: "How long a task's block stays in the agent's memory after the message at the end.",
  }),
};
