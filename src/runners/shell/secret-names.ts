/** A word of these in a variable's name says that its value is a key. */
const SECRET_WORD =
  /(^|_)(API_?KEY|KEY|KEYS|TOKEN|TOKENS|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PWD|PAT|CREDENTIALS?|COOKIE)(_|$)/i;
/** The user's working folders, which end like a password. */
const NOT_SECRET: ReadonlySet<string> = new Set(['PWD', 'OLDPWD']);
/** Of cloud accounts: what is not a key itself points to one. */
const OF_ACCOUNTS = /^(AWS|AZURE|GOOGLE|GCP|GCLOUD|CLOUDSDK|ANTHROPIC|OPENAI|CLOUDFLARE|AICORE|VERTEX)_/i;
/** Of the engine: its configuration may hold keys, its password answers permissions. */
const OF_ENGINE = /^OPENCODE_/;

/** Whether a variable holds, or leads to, a secret; by its name, as the names of providers' keys have no list. */
export function isSecretName(name: string): boolean {
  return isKeyName(name) || OF_ENGINE.test(name);
}

function isKeyName(name: string): boolean {
  return !NOT_SECRET.has(name) && (SECRET_WORD.test(name) || OF_ACCOUNTS.test(name));
}

/** Those of the environment that the engine needs and the commands of tasks do not get. */
export function withheldNames(
  env: Readonly<Record<string, string | undefined>>,
  passthrough: readonly string[],
): string[] {
  return Object.keys(env).filter((name) => isSecretName(name) && !passthrough.includes(name));
}
