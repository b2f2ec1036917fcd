import { LettaApi } from '../../notifications/letta/letta-api.ts';
import { type Check, failed } from './check.ts';

/** Letta at LETTA_API_URL, where it is set. Tasks run without it. */
export const letta: Check = async ({ letta: { url, token } }) => {
  if (url === undefined) return [];
  const check = 'Letta';
  try {
    await new LettaApi({ url, token }).check();
    return [{ check, status: 'ok', detail: `${url} answers` }];
  } catch (thrown) {
    const next =
      'Correct LETTA_API_URL or LETTA_API_TOKEN (docs/letta.md). Tasks run, but agents are not notified.';
    return [{ ...failed(check, thrown, next), status: 'warn' }];
  }
};
