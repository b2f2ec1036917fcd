// Notifies a bridge (letta-opencode-plugin) of the ends of turns in sessions that are not its tasks: docs/plugin.md.
// It needs no other file. OpenCode calls every export of a plugin, so there is only one.

const POST_LIMIT_MS = 5_000;
const CLOSE_LIMIT_MS = 3_000;
/** Before the second and the third attempt. */
const PAUSES_MS = [2_000, 10_000];
const MAX_PAUSE_MS = 30_000;
const MAX_PENDING = 20;
const MAX_SESSIONS = 1_000;
/** An error within this time after the end of a turn belongs to that turn. Also how long to wait for an end after an error. */
const ERROR_WINDOW_MS = 2_000;
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
    log(`${problem} The plugin sends no notices.`);
    return {};
  }
  const bridge = new Bridge(`${url}/notify`, MATRIX_API_TOKEN?.trim(), log);
  const turns = new Turns(client, bridge);
  return {
    event: ({ event }) => quietly(() => turns.event(event)),
    'tool.execute.after': async (call, result) => quietly(() => turns.edited(call, result)),
    // Commands of the agent do not need the token, and the model sees what they print.
    'shell.env': async (_call, { env }) => {
      env.MATRIX_API_TOKEN = '';
    },
    // `opencode run` exits half a second after its turn.
    dispose: () => bridge.close(),
  };
};

/** Collects the facts of each turn and sends a notice at its end. */
class Turns {
  #client;
  #bridge;
  /** Session → its parent session. */
  #parents = new Map();
  /** Session → its current turn: the latest message of the agent, changed files (also of subagents), an error. */
  #turns = new Map();
  /** Session → the time and message of its last end of a turn. */
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

  /** OpenCode sends a failed message again after the end of its turn. */
  #answered(sessionID, message) {
    if (this.#ends.get(sessionID)?.messageId !== message.id) this.#turn(sessionID).message = message;
  }

  /** Usually the end of the turn follows at once. Where it does not, as for an unknown agent, the error ends the turn. */
  #failed(sessionID, error) {
    const sinceEnd = error.at - (this.#ends.get(sessionID)?.at ?? 0);
    const turn = sinceEnd < ERROR_WINDOW_MS ? undefined : this.#turn(sessionID);
    if (!turn || turn.error) return;
    turn.error = error;
    this.#bridge.runInBackground(async () => {
      await pause(ERROR_WINDOW_MS);
      const { data = {} } = await this.#client.session.status({ signal: limit() });
      if (!data[sessionID] && this.#turns.get(sessionID) === turn) this.#ended(sessionID);
    });
  }

  /** OpenCode sends two ends for a turn with an error; the next turn may have begun before the second. */
  #ended(sessionID) {
    const turn = this.#turns.get(sessionID);
    if (!turn?.message?.time.completed && !turn?.error) return;
    this.#turns.delete(sessionID);
    remember(this.#ends, sessionID, { at: Date.now(), messageId: turn.message?.id });
    this.#bridge.runInBackground(() => this.#notify(sessionID, turn));
  }

  async #notify(sessionID, { message, files, error }) {
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
      text: failure?.slice(0, MAX_TEXT) ?? last(await this.#lastText(sessionID, message), MAX_TEXT),
    });
  }

  /** The last text of a message. */
  async #lastText(sessionID, message) {
    const path = { id: sessionID, messageID: message.id };
    const { data } = await this.#client.session.message({ path, signal: limit() });
    const part = data?.parts.findLast(({ type, text }) => type === 'text' && text.trim());
    return part?.text.trim() ?? '';
  }
}

/** Sends notices in the background, with a limit on pending ones. */
class Bridge {
  #url;
  #headers;
  #log;
  #pending = new Set();
  #warned = false;
  #closing = false;

  constructor(url, token, log) {
    this.#url = url;
    this.#headers = {
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    this.#log = log;
  }

  /** Runs work in the background; a failure is logged. */
  runInBackground(work) {
    if (this.#pending.size >= MAX_PENDING) return this.#warnOnce('too many notices are pending');
    const done = work()
      .catch((thrown) => this.#warnOnce(String(thrown)))
      .finally(() => this.#pending.delete(done));
    this.#pending.add(done);
  }

  /** Resolves when nothing is pending, or after a short time limit. */
  async close() {
    this.#closing = true;
    const settled = async () => {
      while (this.#pending.size > 0) await Promise.all(this.#pending);
    };
    await Promise.race([settled(), pause(CLOSE_LIMIT_MS)]);
  }

  /** Retries transient failures. The bridge shows a notice once for each id, so a retry is safe. */
  async post(notice) {
    const body = JSON.stringify(notice);
    let result = await this.#attempt(body);
    for (const pauseMs of PAUSES_MS) {
      if (result.waitMs === undefined || this.#closing) break;
      await pause(Math.min(Math.max(pauseMs, result.waitMs), MAX_PAUSE_MS));
      result = await this.#attempt(body);
    }
    if (result.ok) this.#warned = false;
    else this.#warnOnce(result.why);
  }

  /** `waitMs`: the shortest wait before another attempt; absent after success or a permanent failure. */
  async #attempt(body) {
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

  /** Logs a failure once, again only after a success. */
  #warnOnce(why) {
    if (!this.#warned) this.#log(`A notice did not reach the bridge at MATRIX_API_URL: ${why}`);
    this.#warned = true;
  }
}

function problemWith(url) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return `MATRIX_API_URL "${url}" is not an address such as http://127.0.0.1:3500/matrix.`;
  const { username, password } = new URL(url);
  return username || password ? 'MATRIX_API_URL must not hold credentials: use MATRIX_API_TOKEN.' : undefined;
}

/** The paths in the result of an edit tool; each tool has its own fields. */
function filesOf(args, metadata) {
  const patched = Array.isArray(metadata?.files) ? metadata.files : [];
  const named = patched.map((each) => each?.movePath ?? each?.filePath);
  const one = metadata?.filepath ?? metadata?.filediff?.file ?? args?.filePath;
  return [...named, one].filter((file) => typeof file === 'string' && file !== '');
}

/** The path relative to the folder, if it is inside; only the end of a long path. */
function within(file, directory, length) {
  return last(file.startsWith(`${directory}/`) ? file.slice(directory.length + 1) : file, length);
}

function last(text, length) {
  return text.length > length ? `…${text.slice(1 - length)}` : text;
}

function textOf(error) {
  return error?.data?.message || error?.name || 'unknown error';
}

/** Sets an entry and removes the oldest beyond the limit. */
function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_SESSIONS) map.delete(map.keys().next().value);
}

function limit() {
  return AbortSignal.timeout(POST_LIMIT_MS);
}

/** The timer does not keep the process alive. */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** A hook that throws would break the turn, so this ignores events of another shape than in OpenCode 1.18.33. */
function quietly(work) {
  try {
    work();
  } catch {}
}

async function warn(client, message) {
  const body = { service: 'matrix-notifications', level: 'warn', message };
  await client.app.log({ body }).catch(() => undefined);
}
