import { describe, expect, it } from 'vitest';
import { proxiesOf } from '../../src/config/proxy.ts';

describe('the proxy variables', () => {
  it('name no proxy where they are unset or blank', () => {
    expect(proxiesOf({})).toBeUndefined();
    expect(proxiesOf({ HTTP_PROXY: ' ', NO_PROXY: 'a.test' })).toBeUndefined();
  });

  it('count in small letters before capital ones', () => {
    const env = {
      http_proxy: 'http://a:1',
      HTTP_PROXY: 'http://b:2',
      HTTPS_PROXY: 'http://c:3',
      no_proxy: 'x',
    };
    expect(proxiesOf(env)).toEqual({
      http: 'http://a:1',
      https: 'http://c:3',
      none: 'x',
      fault: undefined,
      shown: 'http_proxy http://a:1, HTTPS_PROXY http://c:3, no_proxy x',
    });
    expect(proxiesOf({ http_proxy: '', HTTP_PROXY: 'http://b:2' })).toMatchObject({ http: 'http://b:2' });
  });

  it.each(['proxy:3128', 'localhost:3128', '127.0.0.1:3128'])('%s is an HTTP proxy', (HTTP_PROXY) => {
    expect(proxiesOf({ HTTP_PROXY })).toMatchObject({ http: `http://${HTTP_PROXY}`, fault: undefined });
  });

  it.each(['socks5://proxy:1080', 'ftp://proxy', 'http://', 'a b', '://'])('%s is none', (HTTPS_PROXY) => {
    expect(proxiesOf({ HTTPS_PROXY })?.fault).toMatch(/^HTTPS_PROXY ".*" is not an address of an HTTP proxy/);
  });

  it.each([
    'http://me:s3cret@proxy:1',
    'me:s3cret@proxy:1',
    'socks5://me:s3cret@proxy:1',
    'http://s3cret@b c',
  ])('%s is shown without its password', (HTTP_PROXY) => {
    const { shown = '', fault = '' } = proxiesOf({ HTTP_PROXY }) ?? {};
    expect(shown).toContain('…@');
    expect(shown + fault).not.toContain('s3cret');
  });
});
