import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessLeft } from '../../tasks/events.ts';
import type { Prompt, Run, RunnerAnswer, TurnOutcome } from '../runner.ts';
import { discountAbortedStart } from './aborted-start.ts';
import { messageId } from './message-id.ts';
import { sendAnswer } from './request-answers.ts';
import { SessionDriver } from './session-driver.ts';
import type { SessionRunOptions } from './session-run-options.ts';
import { openTurn } from './turn-steps.ts';

/** How long OpenCode has to stop its commands before the bridge does. */
const STOP_LIMIT_MS = 2_000;

/** One task's conversation in one OpenCode session and the sessions that it opens below itself. */
export class SessionRun implements Run {
  readonly sessionId: string;
  readonly exclusive: boolean;
  readonly #options: SessionRunOptions;
  readonly #driver: SessionDriver;

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.exclusive = options.exclusive;
    this.#driver = new SessionDriver(options);
  }

  async turn({ text, key, recordedAs, recordedAt, record }: Prompt): Promise<TurnOutcome> {
    const { sessionId, directory, model, agent, system, api, stream, folder, now } = this.#options;
    const promptId = recordedAs ?? messageId(key, now());
    const request = { sessionId, messageId: promptId, text, model, agent, system };
    const { id, begun, outcome } = this.#driver.begin(request);
    const isOpen = (): boolean => openTurn(this.#driver.state, id) !== undefined;
    try {
      await Promise.race([stream.ready(), outcome]);
      while (isOpen() && folder.freeing) await Promise.race([folder.freeing, outcome]);
      const instance = api.instance(directory);
      if (isOpen()) {
        folder.onStart(begun);
        const perhapsSent = recordedAs !== undefined;
        if (!perhapsSent) record(promptId);
        this.#driver.dispatch({ type: 'send prompt', perhapsSent, sentAt: recordedAt });
      }
      const concluded = await outcome;
      return await discountAbortedStart(
        this.#driver.state.turn?.evidence,
        concluded,
        instance,
        this.#options,
      );
    } finally {
      this.#driver.dispatch({ type: 'end turn', turn: id });
    }
  }

  /** Does nothing to a turn that is over: the next prompt needs no interruption. */
  async interrupt(): Promise<void> {
    this.#driver.dispatch({ type: 'interrupt' });
    if (this.#driver.state.turn?.stopping) await this.#driver.stopping;
  }

  async stop(): Promise<void> {
    this.#driver.dispatch({ type: 'stop' });
    const { stopping } = this.#driver;
    try {
      // OpenCode is asked first, because it then starts no more commands; but it may hang.
      await Promise.race([stopping?.catch(() => undefined), sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
      await this.#options.shells?.end(this.sessionId);
      await stopping;
    } finally {
      this.close();
    }
  }

  async settle(completed: boolean): Promise<ProcessLeft[]> {
    return (await this.#options.shells?.settle(this.sessionId, completed)) ?? [];
  }

  async answer(requestId: string, answer: RunnerAnswer): Promise<void> {
    const { approvals, directory } = this.#options;
    const { requests } = this.#driver.state.projection;
    const limited = requests.limited(requestId, answer);
    const approved = requests.approvalsBy(requestId, limited);
    this.#driver.dispatch({ type: 'answer', requestId, answer: limited });
    if (approved) approvals.add(directory, approved.permission, approved.patterns);
    await sendAnswer(this.#options, requestId, limited);
  }

  async recheck(): Promise<void> {
    await this.#driver.readTurn();
  }

  close(): void {
    if (this.#driver.state.closed) return;
    this.#driver.dispatch({ type: 'close' });
    this.#driver.close();
    this.#options.onClose();
  }
}
