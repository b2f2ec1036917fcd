// Tells a bridge (letta-opencode-plugin) how turns end in sessions that are not its tasks: docs/plugin.md.
// It needs no other file. OpenCode calls everything that a plugin exports, so there is one export.

const POST_LIMIT_MS = 5_000;
const CLOSE_LIMIT_MS = 3_000;
/** Before the second try and the third. */
const PAUSES_MS = [2_000, 10_000];
const LONGEST_PAUSE_MS = 30_000;
const MAX_UNDER_WAY = 20;
const MAX_SESSIONS = 1_000;
/** An error that ends no turn of its own comes this close to an end, or no end follows it. */
const ECHO_MS = 2_000;
const EDITORS = new Set(['write', 'edit', 'multiedit', 'patch', 'apply_patch']);
const MAX_FILES = 100;
const MAX_PATH = 300;
const MAX_TITLE = 200;
const MAX_TEXT = 1_000;

export const MatrixNotifications = async ({ client }) => {
  const { MATRIX_API_URL, MATRIX_API_TOKEN } = process.env;
  const url = MATRIX_API_URL?.trim().replace(/\/+$/, '');
  if (!url) return {};
  const log = (message) => void warn(client, message);
  const problem = problemWith(url);
  if (problem) {
    log(`${problem} Nobody is told of anything.`);
    return {};
  }
  const bridge = new Bridge(`${url}/notify`, MATRIX_API_TOKEN?.trim(), log);
  const turns = new Turns(client, bridge);
  return {
    event: ({ event }) => quietly(() => turns.event(event)),
    'tool.execute.after': async (call, result) => quietly(() => turns.edited(call, result)),
    // The agent's commands have no use for the token, and what they print reaches the model.
    'shell.env': async (_call, { env }) => {
      env.MATRIX_API_TOKEN = '';
    },
    // `opencode run` is gone half a second after its turn.
    dispose: () => bridge.settle(),
  };
};

/** Puts together what is to be told of each turn. */
class Turns {
  #client;
  #bridge;
  /** Session → the session that it is a part of. */
  #parents = new Map();
  /** Session → its present turn: the agent's latest message, files (of subagents too), an error. */
  #turns = new Map();
  /** Session → when its last turn ended, with which message. */
  #ends = new Map();

  constructor(client, bridge) {
    this.#client = client;
    this.#bridge = bridge;
  }

  event({ id, type, properties: { sessionID, info, error } }) {
    if (type === 'session.created' && info.parentID) remember(this.#parents, info.id, info.parentID);
    if (!sessionID || this.#parents.has(sessionID)) return;
    if (type === 'message.updated' && info.role === 'assistant') this.#answered(sessionID, info);
    if (type === 'session.error') this.#failed(sessionID, { id, at: Date.now(), text: textOf(error) });
    if (type === 'session.idle') this.#ended(sessionID);
  }

  edited({ tool, sessionID, args }, result) {
    if (!EDITORS.has(tool)) return;
    let root = sessionID;
    while (this.#parents.has(root)) root = this.#parents.get(root);
    for (const file of filesOf(args, result?.metadata)) this.#turn(root).files.add(file);
  }

  #turn(sessionID) {
    const turn = this.#turns.get(sessionID) ?? { message: undefined, files: new Set(), error: undefined };
    remember(this.#turns, sessionID, turn);
    return turn;
  }

  /** OpenCode tells of a failed message once more after the end of its turn. */
  #answered(sessionID, message) {
    if (this.#ends.get(sessionID)?.messageId !== message.id) this.#turn(sessionID).message = message;
  }

  /** Mostly the end follows at once. Where it never does, as with an agent that does not exist, this is it. */
  #failed(sessionID, error) {
    const sinceEnd = error.at - (this.#ends.get(sessionID)?.at ?? 0);
    const turn = sinceEnd < ECHO_MS ? undefined : this.#turn(sessionID);
    if (!turn || turn.error) return;
    turn.error = error;
    this.#bridge.aside(async () => {
      await pause(ECHO_MS);
      const { data = {} } = await this.#client.session.status({ signal: limit() });
      if (!data[sessionID] && this.#turns.get(sessionID) === turn) this.#ended(sessionID);
    });
  }

  /** OpenCode says twice that a turn with an error has ended; by then the next one may have begun. */
  #ended(sessionID) {
    const turn = this.#turns.get(sessionID);
    if (!turn?.message?.time.completed && !turn?.error) return;
    this.#turns.delete(sessionID);
    remember(this.#ends, sessionID, { at: Date.now(), messageId: turn.message?.id });
    this.#bridge.aside(() => this.#tell(sessionID, turn));
  }

  async #tell(sessionID, { message, files, error }) {
    const { data: session } = await this.#client.session.get({ path: { id: sessionID }, signal: limit() });
    if (!session || session.parentID) return;
    const recovered = message?.time.completed > error?.at;
    const failure = message?.error ? textOf(message.error) : recovered ? undefined : error?.text;
    const paths = [...files].map((file) => within(file, session.directory, MAX_PATH));
    await this.#bridge.post({
      id: `${sessionID}-${message?.id ?? error.id}`,
      kind: failure === undefined ? 'idle' : 'error',
      session_id: sessionID,
      title: session.title.slice(0, MAX_TITLE),
      directory: session.directory,
      files: paths.slice(0, MAX_FILES),
      more_files: Math.max(0, paths.length - MAX_FILES),
      text: failure?.slice(0, MAX_TEXT) ?? last(await this.#words(sessionID, message), MAX_TEXT),
    });
  }

  /** What the agent said last in a message. */
  async #words(sessionID, message) {
    const path = { id: sessionID, messageID: message.id };
    const { data } = await this.#client.session.message({ path, signal: limit() });
    const said = data?.parts.findLast(({ type, text }) => type === 'text' && text.trim());
    return said?.text.trim() ?? '';
  }
}

/** The way to the bridge: nobody waits for it, and it never holds much. */
class Bridge {
  #url;
  #headers;
  #log;
  #underWay = new Set();
  #silent = false;
  #closing = false;

  constructor(url, token, log) {
    this.#url = url;
    this.#headers = {
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    this.#log = log;
  }

  /** Does something that nobody waits for. */
  aside(something) {
    if (this.#underWay.size >= MAX_UNDER_WAY) return this.#complain('too many are waiting already');
    const done = something()
      .catch((thrown) => this.#complain(String(thrown)))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Resolves when nothing is under way any more, or after a short time. */
  async settle() {
    this.#closing = true;
    const settled = async () => {
      while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    };
    await Promise.race([settled(), pause(CLOSE_LIMIT_MS)]);
  }

  /** Tries again where that may help: by its id a notice is told once, however often it comes. */
  async post(notice) {
    const body = JSON.stringify(notice);
    let result = await this.#try(body);
    for (const pauseMs of PAUSES_MS) {
      if (result.waitMs === undefined || this.#closing) break;
      await pause(Math.min(Math.max(pauseMs, result.waitMs), LONGEST_PAUSE_MS));
      result = await this.#try(body);
    }
    if (result.ok) this.#silent = false;
    else this.#complain(result.why);
  }

  /** `waitMs`: how long to wait before another try at least; absent where none is needed or none would help. */
  async #try(body) {
    const request = { method: 'POST', headers: this.#headers, body, redirect: 'error', signal: limit() };
    try {
      const response = await fetch(this.#url, request);
      const { ok, status, headers } = response;
      const why = `${status} ${(await response.text()).slice(0, 500)}`;
      const seconds = Number(headers.get('retry-after')) || 0;
      return { ok, why, waitMs: status === 429 || status >= 500 ? seconds * 1_000 : undefined };
    } catch (thrown) {
      return { ok: false, why: String(thrown), waitMs: 0 };
    }
  }

  /** Once, until a notice has arrived. */
  #complain(why) {
    if (!this.#silent) this.#log(`A notice did not reach the bridge at MATRIX_API_URL: ${why}`);
    this.#silent = true;
  }
}

function problemWith(url) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return `MATRIX_API_URL "${url}" is not an address such as http://127.0.0.1:3500/matrix.`;
  const { username, password } = new URL(url);
  return username || password ? 'MATRIX_API_URL must not hold credentials: use MATRIX_API_TOKEN.' : undefined;
}

/** The paths that an edit names, as each of the tools does it. */
function filesOf(args, metadata) {
  const patched = Array.isArray(metadata?.files) ? metadata.files : [];
  const named = patched.map((each) => each?.movePath ?? each?.filePath);
  const one = metadata?.filepath ?? metadata?.filediff?.file ?? args?.filePath;
  return [...named, one].filter((file) => typeof file === 'string' && file !== '');
}

/** The path relative to the folder where it lies in it; of a long one the end. */
function within(file, directory, length) {
  return last(file.startsWith(`${directory}/`) ? file.slice(directory.length + 1) : file, length);
}

function last(text, length) {
  return text.length > length ? `…${text.slice(1 - length)}` : text;
}

function textOf(error) {
  return error?.data?.message || error?.name || 'unknown error';
}

/** Sets an entry and keeps the newest alone. */
function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_SESSIONS) map.delete(map.keys().next().value);
}

function limit() {
  return AbortSignal.timeout(POST_LIMIT_MS);
}

/** Keeps no process alive. */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** A hook that throws would break the turn: events that are not as they were in OpenCode 1.18.33 are passed over. */
function quietly(something) {
  try {
    something();
  } catch {}
}

async function warn(client, message) {
  const body = { service: 'matrix-notifications', level: 'warn', message };
  await client.app.log({ body }).catch(() => undefined);
}
