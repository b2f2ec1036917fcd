import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.ts';
import { taskError } from '../opencode-protocol/translate.ts';
import type { MessageWithParts, OpenCodeError, OpenCodeEvent } from '../opencode-protocol/wire.ts';
import { abortable } from './abortable.ts';
import type { OpenCodeApi } from './api.ts';
import type { EventStream, SessionListener } from './event-stream.ts';
import { messageId } from './message-id.ts';

const DEFAULT_AGENT = 'build';
const ABORT_LIMIT_MS = 10_000;
const ABORT_POLL_MS = 25;

/** What to reply to a permission; a message tells the model how to continue. */
export interface PermissionReply {
  reply: 'once' | 'reject';
  message?: string;
}

export interface PlainSessionOptions {
  api: OpenCodeApi;
  stream: EventStream;
  directory: string;
  title: string;
  /** `provider/model`; absent: what the server is configured for. */
  model?: string | undefined;
  agent?: string | undefined;
  decide: (permission: string) => PermissionReply;
}

/** One session of an OpenCode server that belongs to no task: to test the server itself. */
export class PlainSession {
  readonly #options: PlainSessionOptions;
  readonly #id: string;

  private constructor(id: string, options: PlainSessionOptions) {
    this.#id = id;
    this.#options = options;
  }

  static async create(options: PlainSessionOptions): Promise<PlainSession> {
    const { api, directory, title } = options;
    const [{ id }, defaults] = await Promise.all([
      api.createSession(directory, title, {}),
      api.defaults(directory),
    ]);
    const { model = defaults.model, agent = defaults.agent } = options;
    return new PlainSession(id, { ...options, model, agent });
  }

  /** Sends a prompt and resolves with the model's last words. Aborts the session where the signal aborts. */
  async prompt(text: string, signal: AbortSignal): Promise<string> {
    try {
      return await this.#turn(text, signal);
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
      await this.#abort();
      throw signal.reason;
    }
  }

  delete(): Promise<void> {
    return this.#options.api.deleteSession(this.#id);
  }

  /** Events only say when to read: OpenCode's records decide, so that a gap in the stream loses nothing. */
  async #turn(text: string, signal: AbortSignal): Promise<string> {
    const { api, stream, model, agent = DEFAULT_AGENT } = this.#options;
    await abortable(stream.ready(), signal);
    const changes = new Changes();
    stream.listen(this.#id, changes);
    try {
      const request = { sessionId: this.#id, messageId: messageId(randomUUID(), Date.now()), text };
      await api.prompt({ ...request, model, agent });
      for (;;) {
        // Before the read: a change during it is not missed.
        const changed = changes.next();
        const answer = await abortable(this.#read(request.messageId, changes.error), signal);
        if (answer !== undefined) return answer;
        await abortable(changed, signal);
      }
    } finally {
      stream.unlisten(this.#id, changes);
    }
  }

  /** The answer, once the session is idle and its last message is complete. Replies to permissions until then. */
  async #read(promptId: string, error: OpenCodeError | undefined): Promise<string | undefined> {
    await this.#replyToPermissions();
    if (await this.#isBusy()) return undefined;
    const messages = await this.#options.api.messagesFrom(this.#id, promptId);
    const answers = messages.filter(({ info }) => info.role === 'assistant');
    const last = answers.at(-1)?.info;
    const failure = last?.role === 'assistant' ? last.error : error;
    if (failure) {
      const { code, message } = taskError(failure);
      throw new BridgeError('ENGINE_ERROR', `${code}: ${message}`);
    }
    if (last?.role !== 'assistant' || last.time.completed === undefined) return undefined;
    return answers.map(textOf).findLast((words) => words !== '') ?? '';
  }

  async #replyToPermissions(): Promise<void> {
    const { api, directory, decide } = this.#options;
    for (const { id, sessionID, permission } of await api.permissions(directory)) {
      if (sessionID !== this.#id) continue;
      const { reply, message } = decide(permission);
      await api.replyPermission(id, directory, reply, message);
    }
  }

  /** OpenCode may begin a prompt after an abort, so this repeats it until the session is idle. */
  async #abort(): Promise<void> {
    const { api, directory } = this.#options;
    const until = Date.now() + ABORT_LIMIT_MS;
    do {
      await api.abort(this.#id, directory);
      if (!(await this.#isBusy())) return;
      await sleep(ABORT_POLL_MS);
    } while (Date.now() < until);
  }

  async #isBusy(): Promise<boolean> {
    const { api, directory } = this.#options;
    const status = (await api.statuses(directory)).get(this.#id);
    return status !== undefined && status.type !== 'idle';
  }
}

/** Resolves a promise whenever something has changed that a read could show. */
class Changes implements SessionListener {
  #next = Promise.withResolvers<void>();
  /** The last error of the session; a turn that cannot start leaves nothing else. */
  error: OpenCodeError | undefined;

  next(): Promise<void> {
    return this.#next.promise;
  }

  onEvent(event: OpenCodeEvent): void {
    if (event.type === 'message.part.updated') return;
    if (event.type === 'session.error') this.error = event.properties.error;
    this.#notify();
  }

  onGap(): void {
    this.#notify();
  }

  #notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}

function textOf({ parts }: MessageWithParts): string {
  return parts
    .flatMap((part) => (part.type === 'text' && !part.synthetic && !part.ignored ? [part.text] : []))
    .join('\n\n')
    .trim();
}
