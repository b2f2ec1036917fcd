import type { InputRequest, TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import { asShown, EDIT, EXTERNAL_DIRECTORY } from '../opencode-protocol/outside-edits.ts';
import { permissionRequest, questionRequest } from '../opencode-protocol/translate.ts';
import type { Part, PermissionAsked, QuestionAsked, SessionStatus } from '../opencode-protocol/wire.ts';
import type { RunnerAnswer } from '../runner.ts';
import { type Approval, cover } from './approvals.ts';

export interface OpenRequestsOptions {
  directory: string;
  /** Whether the session's rules make OpenCode ask before edits outside of the directory. */
  guarded: boolean;
}

/** A request as it was asked; for one from an earlier process only what the log holds is known. */
interface Asked {
  request: InputRequest;
  /** The tool call that waits for the request. */
  callId?: string | undefined;
  /** What OpenCode asks for, where the request shows something else. */
  own?: { permission: string; patterns: readonly string[] } | undefined;
  /** What `always` would allow. */
  always?: readonly string[] | undefined;
}

/** Everything that is open in OpenCode, in all sessions of the directory. */
export interface RequestLists {
  permissions: readonly PermissionAsked[];
  questions: readonly QuestionAsked[];
}

/** An answer of the bridge, and which requests were open then. */
interface Answer {
  sessionId: string;
  reply: string;
  others: ReadonlySet<string>;
}

interface Fields {
  options: OpenRequestsOptions;
  open: ReadonlyMap<string, Asked>;
  /** Every request that was ever seen: none is opened twice. */
  seen: ReadonlySet<string>;
  /** What the bridge has answered, or tried to. */
  answers: ReadonlyMap<string, Answer>;
}

type Step = [OpenRequests, TaskEventBody[]];

/**
 * The permissions and questions of a session and those below it. `request_closed` says `by` whom: the id of the
 * request that the bridge answered, or `opencode` where somebody else answered there. The reply is `answered` where
 * only later events show an answer. It is `unknown` where perhaps nobody answered: OpenCode has forgotten the request.
 * A value: methods return the next state, and the task events of the step.
 */
export class OpenRequests {
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  static from(options: OpenRequestsOptions, past: readonly TaskEvent[]): OpenRequests {
    const open = new Map<string, Asked>();
    const seen = new Set<string>();
    for (const event of past) {
      if (event.kind === 'request_opened') {
        seen.add(event.request.id);
        open.set(event.request.id, { request: event.request });
      } else if (event.kind === 'request_closed') open.delete(event.request_id);
    }
    return new OpenRequests({ options, open, seen, answers: new Map() });
  }

  get any(): boolean {
    return this.#fields.open.size > 0;
  }

  /** The ids and types of those that are open. */
  get open(): ReadonlyMap<string, InputRequest['type']> {
    return new Map([...this.#fields.open].map(([id, { request }]) => [id, request.type]));
  }

  isNew({ id }: { id: string }): boolean {
    return !this.#fields.seen.has(id);
  }

  onPermission(asked: PermissionAsked): Step {
    const { tool, always, permission, patterns } = asked;
    const { directory, guarded } = this.#fields.options;
    const request = permissionRequest(guarded ? asShown(asked, directory) : asked);
    return this.#onAsked({ request, callId: tool?.callID, own: { permission, patterns }, always });
  }

  onQuestion(asked: QuestionAsked): Step {
    return this.#onAsked({ request: questionRequest(asked), callId: asked.tool?.callID });
  }

  onReplied(id: string, reply: string, approvals: readonly Approval[]): Step {
    const asked = this.#fields.open.get(id);
    if (!asked) return [this, []];
    const by = this.#impliedBy(asked, reply, approvals) ?? 'opencode';
    return [this.#without(id), [{ kind: 'request_closed', request_id: id, by, reply }]];
  }

  /**
   * Reads what is open in OpenCode: opens what is new, and closes those of `before` that are gone without a reply.
   * `before` was taken before the lists were read, `later` are statuses from after that.
   */
  onLists(
    before: readonly string[],
    lists: RequestLists,
    isActive: (sessionId: string) => boolean,
    { parts, later }: { parts: readonly Part[]; later: ReadonlyMap<string, SessionStatus> },
    approvals: readonly Approval[],
  ): Step {
    const events: TaskEventBody[] = [];
    let next: OpenRequests = this;
    const run = (step: Step): void => {
      next = step[0];
      events.push(...step[1]);
    };
    for (const asked of lists.permissions) if (isActive(asked.sessionID)) run(next.onPermission(asked));
    for (const asked of lists.questions) if (isActive(asked.sessionID)) run(next.onQuestion(asked));
    for (const asked of next.#gone(before, lists)) {
      const reply =
        next.#replyOf(asked, approvals) ?? (wasAnswered(asked, parts, later) ? 'answered' : 'unknown');
      run(next.onReplied(asked.request.id, reply, approvals));
    }
    return [next, events];
  }

  /**
   * The answer as it goes to OpenCode. Of an edit outside, OpenCode would extend "always" to every edit of the
   * repository, in all sessions of the directory.
   */
  limited(id: string, answer: RunnerAnswer): RunnerAnswer {
    const asked = this.#fields.open.get(id);
    if (!this.#fields.options.guarded || !asked || answer.type !== 'permission' || answer.reply !== 'always')
      return answer;
    // Where only the log knows the request, work outside may be such an edit.
    const { permission = asked.request.permission === EXTERNAL_DIRECTORY ? EDIT : asked.request.permission } =
      asked.own ?? {};
    return permission === EDIT ? { ...answer, reply: 'once' } : answer;
  }

  /** What OpenCode will allow without asking after this answer. */
  approvalsBy(
    id: string,
    answer: RunnerAnswer,
  ): { permission: string; patterns: readonly string[] } | undefined {
    const asked = this.#fields.open.get(id);
    if (!asked?.always || answer.type !== 'permission' || answer.reply !== 'always') return undefined;
    const { permission } = asked.own ?? asked.request;
    return permission === undefined ? undefined : { permission, patterns: asked.always };
  }

  /** The bridge sends this answer; with it OpenCode may close other requests of the session. */
  onAnswer(id: string, answer: RunnerAnswer): OpenRequests {
    const { open, answers } = this.#fields;
    const asked = open.get(id);
    if (!asked || answer.type !== 'permission') return this;
    const given = { sessionId: asked.request.session_id, reply: answer.reply, others: new Set(open.keys()) };
    return this.#with({ answers: new Map(answers).set(id, given) });
  }

  /** The bridge rejects all that is open, without an event: what asked is aborted. */
  onDismiss(): OpenRequests {
    return this.#with({ open: new Map() });
  }

  onDismissed(ids: readonly string[]): OpenRequests {
    const { open, seen } = this.#fields;
    const kept = [...open].filter(([id]) => !ids.includes(id));
    return this.#with({ open: new Map(kept), seen: new Set([...seen, ...ids]) });
  }

  #onAsked(asked: Asked): Step {
    const { open, seen } = this.#fields;
    const { request } = asked;
    const next = this.#with({
      open: new Map(open).set(request.id, asked),
      seen: new Set(seen).add(request.id),
    });
    if (!seen.has(request.id)) return [next, [{ kind: 'request_opened', request }]];
    return [open.has(request.id) ? next : this, []];
  }

  #gone(before: readonly string[], { permissions, questions }: RequestLists): Asked[] {
    const listed = new Set([...permissions, ...questions].map(({ id }) => id));
    return before.flatMap((id) => (listed.has(id) ? [] : (this.#fields.open.get(id) ?? [])));
  }

  /** The reply that the bridge's answer to another request implies. */
  #replyOf(asked: Asked, approvals: readonly Approval[]): string | undefined {
    if (this.#fields.answers.has(asked.request.id)) return undefined;
    return ['always', 'reject'].find((reply) => this.#impliedBy(asked, reply, approvals) !== undefined);
  }

  /**
   * The request whose answer by the bridge closes this one too. OpenCode 1.18.33 rejects with one request all others
   * of its session, and allows with `always` those that are then allowed.
   */
  #impliedBy({ request, own }: Asked, reply: string, approvals: readonly Approval[]): string | undefined {
    const { id, session_id } = request;
    const { permission = '', patterns = [] } = own ?? request;
    if (reply === 'always' && !cover(approvals, permission, patterns)) return undefined;
    for (const [other, answer] of this.#fields.answers) {
      if (other === id || answer.sessionId !== session_id || answer.reply !== reply) continue;
      if (reply === 'always' || (reply === 'reject' && answer.others.has(id))) return other;
    }
    return undefined;
  }

  #without(id: string): OpenRequests {
    const open = new Map(this.#fields.open);
    open.delete(id);
    return this.#with({ open });
  }

  #with(change: Partial<Fields>): OpenRequests {
    return new OpenRequests({ ...this.#fields, ...change });
  }
}

/** Whether what waited for the request has gone on: its call has ended, or is running without it. */
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
