import { describe, expect, it } from 'vitest';
import { directly, withProviders } from '../../src/runners/opencode-protocol/provider-blocks.ts';

const blocks = { openai: { options: { baseURL: 'http://proxy/openai', apiKey: 'token' } } };
const parsed = (content: string | undefined): unknown => JSON.parse(content ?? '');

describe('the configuration of OpenCode', () => {
  it('has the providers, and keeps what the operator says', () => {
    const given = {
      model: 'a/b',
      provider: { a: { name: 'A' }, openai: { models: { m: {} }, options: { timeout: 5 } } },
    };
    expect(parsed(withProviders(JSON.stringify(given), blocks))).toEqual({
      model: 'a/b',
      provider: {
        a: { name: 'A' },
        openai: { models: { m: {} }, options: { timeout: 5, ...blocks.openai.options } },
      },
    });
  });

  it('never keeps an address or a key of a provider that has a token', () => {
    const options = { baseURL: 'https://evil.test', apiKey: 'sk-of-the-operator' };
    const content = withProviders(JSON.stringify({ provider: { openai: { options } } }), blocks);
    expect(content).not.toMatch(/evil|sk-of/);
  });

  it.each([undefined, '', ' '])('begins with nothing (%j)', (content) => {
    expect(parsed(withProviders(content, blocks))).toEqual({ provider: blocks });
  });

  it.each(['{"provider": ', '[]', '{"provider": {"openai": 5}}'])(
    'of another form is refused (%j)',
    (content) => {
      expect(() => withProviders(content, blocks)).toThrow(/OPENCODE_CONFIG_CONTENT is not/);
    },
  );

  it('stays as it is without providers', () => {
    expect(withProviders('{ "a": 1 }', {})).toBe('{ "a": 1 }');
    expect(withProviders(undefined, {})).toBeUndefined();
  });
});

describe('the credential proxy', () => {
  it('is called directly where OpenCode has an HTTP proxy', () => {
    const env = { HTTP_PROXY: 'http://proxy:3128', NO_PROXY: 'a.test' };
    expect(directly(env, '172.17.0.1')).toEqual({
      ...env,
      NO_PROXY: 'a.test,172.17.0.1',
      no_proxy: 'a.test,172.17.0.1',
    });
  });

  it('changes nothing without one', () => {
    expect(directly({ A: 'b' }, '127.0.0.1')).toEqual({ A: 'b' });
    expect(directly({ HTTP_PROXY: 'http://proxy:3128' }, undefined)).toEqual({
      HTTP_PROXY: 'http://proxy:3128',
    });
  });
});
