import type { Check } from './check.ts';

/** The proxy of the environment, where there is one. */
export const proxy: Check = async ({ proxies }) => {
  if (!proxies) return [];
  const check = 'proxy';
  const { fault, shown } = proxies;
  if (fault === undefined) return [{ check, status: 'ok', detail: `${shown}; loopback is called directly` }];
  const next = 'Correct it, or unset it: until then the bridge can call nothing outside this machine.';
  return [{ check, status: 'warn', detail: fault, next }];
};
