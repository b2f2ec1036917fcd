import { ProtocolError, ProtocolErrorCode, type Result, Server } from '@modelcontextprotocol/server';

/** Leaves a handler of `tools/call` with a Task in place of the tool's result. */
export class TaskSeed extends Error {
  readonly result: Result;

  constructor(result: Result) {
    super('a task was created');
    this.result = result;
  }
}

/**
 * The SDK takes every answer to `tools/call` for the result of a tool, and changes a Task, so that one goes round it. No
 * handler of ours throws a plain error.
 */
export class TaskServer extends Server {
  protected override _wrapHandler(
    ...[method, handler]: Parameters<Server['_wrapHandler']>
  ): ReturnType<Server['_wrapHandler']> {
    const wrapped = super._wrapHandler(method, handler);
    return async (request, context) => {
      try {
        return await wrapped(request, context);
      } catch (thrown) {
        if (thrown instanceof TaskSeed) return thrown.result;
        // The SDK throws a plain error for wrong parameters, which it would send as a fault of the server.
        if (!(thrown instanceof Error) || thrown.constructor !== Error) throw thrown;
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Wrong parameters of ${method}.`);
      }
    };
  }

  /** Behind the answer, which would wait for it: the SDK makes an error of each exchange that is over, with its stack. */
  protected override _onclose(): void {
    setImmediate(() => super._onclose());
  }
}
