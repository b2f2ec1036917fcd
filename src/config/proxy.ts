import { quote } from '../errors.ts';

/** The proxy variables of the environment. */
export interface Proxies {
  /** For http addresses, and for https addresses where `https` is absent, as in Node. */
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts to call directly, in the syntax of NO_PROXY. */
  none: string;
  /** Why the proxies cannot be used. */
  fault?: string | undefined;
  /** The variables that are set, as text without credentials. */
  shown: string;
}

/** The proxies of this process, see `proxiesOf`. */
export function proxies(): Proxies | undefined {
  return proxiesOf(process.env);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the proxy variables; lower case takes precedence, as usual. Undefined where there is no proxy. */
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
  return `${name} ${quote(withoutCredentials(value))} is not an address of an HTTP proxy such as http://proxy:3128`;
}

function withoutCredentials(value: string): string {
  return value.replace(/(^|\/\/)[^@/]*@/, '$1…@');
}
