import { quote } from '../errors.ts';

/** What the environment says about the way to the outside. */
export interface Proxies {
  /** For http addresses, and for https ones where `https` is absent; as Node and curl's kin have it. */
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts that are called directly, as NO_PROXY has them. */
  none: string;
  /** Why the proxies cannot be used. */
  fault?: string | undefined;
  /** The variables that are set, in words and without credentials. */
  shown: string;
}

/** Of this process, see `proxiesOf`. */
export function proxies(): Proxies | undefined {
  return proxiesOf(process.env);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy variables, of which the one in small letters wins, as everywhere; undefined where none names a proxy. */
export function proxiesOf(env: Environment): Proxies | undefined {
  const [http, https, none] = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].map((name) => find(name, env));
  const given = [http, https].filter((variable) => variable !== undefined);
  if (given.length === 0) return undefined;
  const fault = given.map(faultOf).find(Boolean);
  const all = [...given, none].filter((variable) => variable !== undefined);
  return {
    http: http && addressOf(http.value),
    https: https && addressOf(https.value),
    none: none?.value ?? '',
    fault,
    shown: all.map(({ name, value }) => `${name} ${withoutCredentials(value)}`).join(', '),
  };
}

interface Variable {
  name: string;
  value: string;
}

function find(upper: string, env: Environment): Variable | undefined {
  for (const name of [upper.toLowerCase(), upper]) {
    const value = env[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return undefined;
}

/** `proxy:3128` means http, as for curl. */
function addressOf(value: string): string {
  return value.includes('://') ? value : `http://${value}`;
}

function faultOf({ name, value }: Variable): string | undefined {
  const address = addressOf(value);
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return undefined;
  return `${name} ${quote(withoutCredentials(value))} is no address of an HTTP proxy, such as http://proxy:3128`;
}

function withoutCredentials(value: string): string {
  return value.replace(/(^|\/\/)[^@/]*@/, '$1…@');
}
