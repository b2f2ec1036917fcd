import { BridgeError } from '../../errors.ts';
import type { InputRequest, TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import { asShown, EDIT, EXTERNAL_DIRECTORY } from '../opencode-protocol/outside-edits.ts';
import { permissionRequest, questionRequest } from '../opencode-protocol/translate.ts';
import type { Part, PermissionAsked, QuestionAsked, SessionStatus } from '../opencode-protocol/wire.ts';
import type { RunnerAnswer } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import type { Approvals } from './approvals.ts';

export interface SessionRequestsOptions {
  directory: string;
  /** Whether the session has rules by which OpenCode asks for edits outside of the directory. */
  guarded: boolean;
  api: OpenCodeApi;
  approvals: Approvals;
}

/** A request as it was asked; one that an earlier process heard of has only what the log holds. */
interface Asked {
  request: InputRequest;
  /** The tool call that waits for it. */
  callId?: string | undefined;
  /** What OpenCode asks for, where that is shown as something else. */
  own?: { permission: string; patterns: readonly string[] } | undefined;
  /** What `always` would allow. */
  always?: readonly string[] | undefined;
}

/** Everything that OpenCode says is open, in all sessions of the directory. */
interface Lists {
  permissions: readonly PermissionAsked[];
  questions: readonly QuestionAsked[];
}

/**
 * The permissions and questions of a session and those below it. A closing is told with `by`: the id of the request
 * that the bridge's own answer was for, or `opencode` where somebody else has answered there; the reply is then
 * `answered` if only what followed shows it. A reply of `unknown` says that nobody need have answered: OpenCode
 * has forgotten the request.
 */
export class SessionRequests {
  readonly #options: SessionRequestsOptions;
  readonly #open = new Map<string, Asked>();
  readonly #heard = new Set<string>();
  /** What the bridge has answered, or tried to, and what else was open then. */
  readonly #answers = new Map<string, { sessionId: string; reply: string; others: Set<string> }>();

  constructor(options: SessionRequestsOptions, past: readonly TaskEvent[]) {
    this.#options = options;
    for (const event of past) {
      if (event.kind === 'request_opened') this.#take({ request: event.request });
      else if (event.kind === 'request_closed') this.#open.delete(event.request_id);
    }
  }

  get any(): boolean {
    return this.#open.size > 0;
  }

  isNew({ id }: { id: string }): boolean {
    return !this.#heard.has(id);
  }

  onPermission(asked: PermissionAsked): TaskEventBody[] {
    const { tool, always, permission, patterns } = asked;
    const { directory, guarded } = this.#options;
    const request = permissionRequest(guarded ? asShown(asked, directory) : asked);
    return this.#onAsked({ request, callId: tool?.callID, own: { permission, patterns }, always });
  }

  onQuestion(asked: QuestionAsked): TaskEventBody[] {
    return this.#onAsked({ request: questionRequest(asked), callId: asked.tool?.callID });
  }

  onReplied(id: string, reply: string): TaskEventBody[] {
    const asked = this.#open.get(id);
    if (!asked) return [];
    this.#open.delete(id);
    return [
      { kind: 'request_closed', request_id: id, by: this.#impliedBy(asked, reply) ?? 'opencode', reply },
    ];
  }

  /** Hands an answer to OpenCode; throws REQUEST_CLOSED where that has no such request any more. */
  async answer(id: string, given: RunnerAnswer): Promise<void> {
    const { api, directory } = this.#options;
    const answer = this.#limited(id, given);
    this.#answering(id, answer);
    try {
      if (answer.type === 'question') await api.replyQuestion(id, directory, answer.answers);
      else await api.replyPermission(id, directory, answer.reply, answer.message);
    } catch (thrown) {
      if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_NOT_FOUND')) throw thrown;
      throw new BridgeError('REQUEST_CLOSED', `Request "${id}" is no longer open in OpenCode.`, {
        cause: thrown,
      });
    }
  }

  /** The ids of those that are open, before OpenCode is asked which are. */
  ids(): string[] {
    return [...this.#open.keys()];
  }

  /** Takes in what OpenCode says is open; `waits` says of a session whether it is at work. */
  onLists({ permissions, questions }: Lists, waits: (sessionId: string) => boolean): TaskEventBody[] {
    return [
      ...permissions.filter(({ sessionID }) => waits(sessionID)).flatMap((asked) => this.onPermission(asked)),
      ...questions.filter(({ sessionID }) => waits(sessionID)).flatMap((asked) => this.onQuestion(asked)),
    ];
  }

  /** Those of `before` that OpenCode no longer has, without a word that they were answered. */
  async onGone(before: readonly string[], lists: Lists, parts: readonly Part[]): Promise<TaskEventBody[]> {
    const there = new Set([...lists.permissions, ...lists.questions].map(({ id }) => id));
    const gone = before.flatMap((id) => (there.has(id) ? [] : (this.#open.get(id) ?? [])));
    if (gone.length === 0) return [];
    const statuses = await this.#options.api.statuses(this.#options.directory);
    return gone.flatMap((asked) => {
      const { id } = asked.request;
      const isImplied = (reply: string): boolean => this.#impliedBy(asked, reply) !== undefined;
      const implied = this.#answers.has(id) ? undefined : ['always', 'reject'].find(isImplied);
      return this.onReplied(id, implied ?? (wasAnswered(asked, parts, statuses) ? 'answered' : 'unknown'));
    });
  }

  /** Closes the requests of what was aborted, unheard ones too: OpenCode itself would keep them for ever. */
  async dismiss(isOurs: (sessionId: string) => boolean): Promise<void> {
    const { api, directory } = this.#options;
    const open = new Map([...this.#open].map(([id, { request }]) => [id, request.type]));
    this.#open.clear();
    const [permissions, questions] = await Promise.all([
      api.permissions(directory).catch(() => []),
      api.questions(directory).catch(() => []),
    ]);
    for (const { id, sessionID } of permissions) if (isOurs(sessionID)) open.set(id, 'permission');
    for (const { id, sessionID } of questions) if (isOurs(sessionID)) open.set(id, 'question');
    await Promise.allSettled(
      [...open].map(([id, type]) => {
        this.#heard.add(id);
        this.#open.delete(id);
        return type === 'question'
          ? api.rejectQuestion(id, directory)
          : api.replyPermission(id, directory, 'reject');
      }),
    );
  }

  /** OpenCode would take "always" for every edit of the repository, in all sessions of the directory. */
  #limited(id: string, answer: RunnerAnswer): RunnerAnswer {
    const asked = this.#open.get(id);
    if (!this.#options.guarded || !asked || answer.type !== 'permission' || answer.reply !== 'always')
      return answer;
    // Of what only the log knows, work outside may be such an edit.
    const { permission = asked.request.permission === EXTERNAL_DIRECTORY ? EDIT : asked.request.permission } =
      asked.own ?? {};
    return permission === EDIT ? { ...answer, reply: 'once' } : answer;
  }

  /** OpenCode may close others of the session with this one. */
  #answering(id: string, answer: RunnerAnswer): void {
    const asked = this.#open.get(id);
    if (!asked || answer.type !== 'permission') return;
    const { session_id: sessionId } = asked.request;
    const { permission } = asked.own ?? asked.request;
    this.#answers.set(id, { sessionId, reply: answer.reply, others: new Set(this.#open.keys()) });
    if (answer.reply === 'always' && permission !== undefined && asked.always)
      this.#options.approvals.add(this.#options.directory, permission, asked.always);
  }

  #onAsked(asked: Asked): TaskEventBody[] {
    const { request } = asked;
    if (this.#heard.has(request.id)) {
      if (this.#open.has(request.id)) this.#open.set(request.id, asked);
      return [];
    }
    this.#take(asked);
    return [{ kind: 'request_opened', request }];
  }

  #take(asked: Asked): void {
    this.#heard.add(asked.request.id);
    this.#open.set(asked.request.id, asked);
  }

  /**
   * The request whose answer by the bridge closes this one too. OpenCode 1.18.33 rejects with one request all others
   * of its session, and allows with `always` those that are then allowed; neither is anything that was not said.
   */
  #impliedBy({ request, own }: Asked, reply: string): string | undefined {
    const { approvals, directory } = this.#options;
    const { id, session_id } = request;
    const { permission = '', patterns = [] } = own ?? request;
    if (reply === 'always' && !approvals.cover(directory, permission, patterns)) return undefined;
    for (const [other, answer] of this.#answers) {
      if (other === id || answer.sessionId !== session_id || answer.reply !== reply) continue;
      if (reply === 'always' || (reply === 'reject' && answer.others.has(id))) return other;
    }
    return undefined;
  }
}

/** Whether what waited for the request has gone on: its call has come to its end, or is at work without it. */
function wasAnswered(
  { callId, request }: Asked,
  parts: readonly Part[],
  statuses: ReadonlyMap<string, SessionStatus>,
): boolean {
  const call = parts.find((part) => part.type === 'tool' && part.callID === callId);
  if (call?.type !== 'tool') return false;
  if (call.state.status === 'completed') return true;
  return call.state.status === 'running' && statuses.has(request.session_id);
}
