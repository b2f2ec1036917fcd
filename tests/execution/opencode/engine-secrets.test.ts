import { expect, it } from 'vitest';
import { passSecrets } from '../../../src/runners/opencode-server/engine-secrets.ts';

it('options of the runtime are for the engine alone, those of the operator for its children too', () => {
  const runtime = { BUN_JSC_useFTLJIT: '0', BUN_JSC_forceRAMSize: '1' };
  const operator = { BUN_JSC_forceRAMSize: '2', MY_API_KEY: 'k', LANG: 'C' };
  const { env, stdin } = passSecrets(operator, { runtime, decoy: 'nobody knows' });
  expect(env).toMatchObject({
    BUN_JSC_useFTLJIT: '0',
    BUN_JSC_forceRAMSize: '2',
    LANG: 'C',
    OPENCODE_SERVER_PASSWORD: 'nobody knows',
  });
  expect(env).not.toHaveProperty('MY_API_KEY');
  const { secrets, withheld } = JSON.parse(stdin);
  expect(secrets).toEqual({ MY_API_KEY: 'k' });
  expect(withheld).toContain('BUN_JSC_useFTLJIT');
  expect(withheld).not.toContain('BUN_JSC_forceRAMSize');
});
