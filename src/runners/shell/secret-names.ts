/** A variable with one of these words in its name holds a secret. */
const SECRET_WORD =
  /(^|_)(API_?KEY|KEY|KEYS|TOKEN|TOKENS|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PWD|PAT|CREDENTIALS?|COOKIE)(_|$)/i;
/** The working folders of a shell, which match PWD. */
const NOT_SECRET: ReadonlySet<string> = new Set(['PWD', 'OLDPWD']);
/** Variables of cloud accounts hold a key or point to one. */
const CLOUD_PREFIX = /^(AWS|AZURE|GOOGLE|GCP|GCLOUD|CLOUDSDK|ANTHROPIC|OPENAI|CLOUDFLARE|AICORE|VERTEX)_/i;
/** Variables of OpenCode: its configuration may hold keys, and its password gives access to permissions. */
const ENGINE_PREFIX = /^OPENCODE_/;

/** Whether a variable holds or points to a secret, judged by its name: there is no list of the providers' variables. */
export function isSecretName(name: string): boolean {
  return isKeyName(name) || ENGINE_PREFIX.test(name);
}

function isKeyName(name: string): boolean {
  return !NOT_SECRET.has(name) && (SECRET_WORD.test(name) || CLOUD_PREFIX.test(name));
}

/** The variables that OpenCode gets and the commands of tasks do not. */
export function withheldNames(
  env: Readonly<Record<string, string | undefined>>,
  passthrough: readonly string[],
): string[] {
  return Object.keys(env).filter((name) => isSecretName(name) && !passthrough.includes(name));
}
