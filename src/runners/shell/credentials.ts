import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { isInside } from '../../workspaces/paths.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs keep keys, tokens, passwords and cookies, below a home folder; and histories of what was typed. */
const IN_HOME = [
  ...['.ssh', '.gnupg', '.password-store', '.local/share/keyrings', '.local/share/kwalletd', '.Xauthority'],
  ...['.git-credentials', '.config/git/credentials', '.config/gh', '.config/glab-cli', '.config/hub'],
  ...[
    '.netrc',
    '.authinfo',
    '.authinfo.gpg',
    '.pgpass',
    '.my.cnf',
    '.mylogin.cnf',
    '.config/rclone',
    '.s3cfg',
  ],
  ...['.aws', '.azure', '.config/gcloud', '.boto', '.oci', '.aliyun', '.config/doctl', '.config/hcloud'],
  ...[
    '.kube',
    '.docker',
    '.config/containers',
    '.config/helm',
    '.vault-token',
    '.tsh',
    '.step',
    '.config/sops',
  ],
  ...['.terraform.d/credentials.tfrc.json', '.pulumi/credentials.json', '.databrickscfg', '.snowflake'],
  ...['.fly', '.config/netlify', '.local/share/com.vercel.cli', '.config/.wrangler', '.cloudflared'],
  ...[
    '.config/ngrok',
    '.config/stripe',
    '.railway',
    '.huggingface/token',
    '.cache/huggingface/token',
    '.kaggle',
  ],
  ...['.cargo/credentials', '.cargo/credentials.toml', '.pypirc', '.config/pypoetry/auth.toml'],
  ...[
    '.gem/credentials',
    '.local/share/gem/credentials',
    '.composer/auth.json',
    '.config/composer/auth.json',
  ],
  ...['.m2/settings-security.xml', '.sbt/.credentials', '.ivy2/.credentials', '.sbt/1.0/credentials.sbt'],
  ...['.local/share/opencode', '.config/opencode', '.local/share/letta-opencode-plugin', '.letta'],
  ...['.claude.json', '.claude/.credentials.json', '.codex/auth.json', '.gemini/oauth_creds.json'],
  ...['.config/github-copilot', '.config/op', '.config/Bitwarden', '.config/Bitwarden CLI'],
  ...['.mozilla', '.thunderbird', '.config/google-chrome', '.config/chromium', '.config/microsoft-edge'],
  ...['.config/BraveSoftware', '.config/vivaldi', '.config/Slack', '.config/discord', '.config/Signal'],
  ...['snap/firefox', 'snap/chromium', '.var/app'],
  ...['.bash_history', '.zsh_history', '.histfile', '.local/share/fish/fish_history', '.python_history'],
  ...['.node_repl_history', '.psql_history', '.mysql_history', '.rediscli_history'],
];

/** Configuration below a home folder that tools need, and in which some people have written a secret. */
const PERHAPS_IN_HOME = [
  ...['.npmrc', '.yarnrc', '.yarnrc.yml', '.bunfig.toml', '.config/pip/pip.conf', '.pip/pip.conf'],
  ...['.config/uv/uv.toml', '.condarc', '.cargo/config.toml', '.cargo/config', '.bundle/config', '.gemrc'],
  ...['.m2/settings.xml', '.gradle/gradle.properties', '.nuget/NuGet/NuGet.Config', '.terraformrc'],
  ...['.gitconfig', '.config/git/config', '.wgetrc', '.env', '.envrc', '.profile', '.bash_profile'],
  ...['.bashrc', '.zprofile', '.zshenv', '.zshrc', '.config/fish/config.fish'],
];

/** Of the system; other users than root cannot read them anyway. */
const OF_SYSTEM = [
  ...['/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/gshadow-', '/etc/ssl/private', '/etc/letsencrypt'],
  ...['/etc/ssh', '/etc/kubernetes', '/etc/wireguard', '/etc/NetworkManager/system-connections'],
];

/** Variables that name such a file, folder or socket elsewhere; KUBECONFIG may name several. */
const VARIABLES = [
  ...['SSH_AUTH_SOCK', 'GNUPGHOME', 'NETRC', 'PGPASSFILE', 'XAUTHORITY', 'HISTFILE', 'DOCKER_CONFIG'],
  ...['KUBECONFIG', 'REGISTRY_AUTH_FILE', 'GH_CONFIG_DIR', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE'],
  ...['AWS_WEB_IDENTITY_TOKEN_FILE', 'AZURE_CONFIG_DIR', 'CLOUDSDK_CONFIG', 'GOOGLE_APPLICATION_CREDENTIALS'],
];

/** A password, a token or a key that has a value, other than that of a variable. */
const SECRETS = [
  /(_auth|passw(or)?d|passphrase|token|secret|api_?key|\w_key|\w_pat)["']?[ \t]*[=:>"']+(?![ \t"']*(\$|$))/im,
  /^\s*set[ \t].*(passw|token|secret|_key)\w*[ \t]+["']?[^\s"'$(]/im,
  /:\/\/[^/\s:@]*:[^/\s:@$]+@/,
];
/** Longer files of configuration are not read. */
const MAX_BYTES = 1_000_000;

/**
 * The files, folders and sockets of this machine in which programs usually keep credentials, with symlinks resolved,
 * without those at or below the paths `shown`.
 */
export async function findCredentials(env: Environment, shown: readonly string[]): Promise<string[]> {
  const [found, exempt] = await Promise.all([resolved(await candidates(env)), resolved(shown)]);
  return found.filter((path) => path !== '/' && !exempt.some((each) => isInside(each, path)));
}

async function candidates(env: Environment): Promise<string[]> {
  const asRoot = process.getuid?.() === 0;
  const home = env.HOME ?? homedir();
  const homes = asRoot
    ? [home, '/root', ...(await namesIn('/home')).map((name) => join('/home', name))]
    : [home];
  const found = await Promise.all([...new Set(homes)].map(inHome));
  const named = VARIABLES.flatMap((name) => env[name]?.split(delimiter) ?? []).filter(isAbsolute);
  return [...found.flat(), ...named, ...(asRoot ? OF_SYSTEM : [])];
}

/** Those that exist, each once. */
async function resolved(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(found.filter((path) => path !== undefined))];
}

async function inHome(home: string): Promise<string[]> {
  const names = new Set(await namesIn(home));
  const exists = (path: string) => names.has(path.split('/', 1).join());
  const perhaps = PERHAPS_IN_HOME.filter(exists).map((path) => join(home, path));
  const isSecret = await Promise.all(perhaps.map(hasSecret));
  return [
    ...IN_HOME.filter(exists).map((path) => join(home, path)),
    ...perhaps.filter((_, index) => isSecret[index]),
  ];
}

/** Also true of what cannot be told: a pipe, which some programs have for secrets, or a very long file. */
async function hasSecret(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false;
  if (!found.isFile() || found.size > MAX_BYTES) return true;
  const text = await readFile(path, 'utf8').catch(() => '');
  return SECRETS.some((pattern) => pattern.test(text));
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
