type Method = (...args: unknown[]) => unknown;

/** How a function returns its result: at once, by its last argument, or by a promise. */
export type Style = 'sync' | 'callback' | 'promise';

/** Arguments for a function, valid until `release`. */
export interface Prepared {
  args: unknown[];
  release?: () => void;
  /** Throws where the caller may not have the result. */
  inspect?: (result: unknown) => void;
}

/** Throws what the caller is to get in place of a result. */
export type Prepare = (args: unknown[]) => Prepared;

/** Puts `prepare` before the method of that name, if there is one. Part of what runs inside OpenCode. */
export function prepareCalls(holder: object, name: string, style: Style, prepare: Prepare): void {
  const methods = holder as Record<string, Method>;
  const original = methods[name];
  if (typeof original !== 'function') return;
  const guarded = function (this: unknown, ...given: unknown[]): unknown {
    const callback =
      style === 'callback' ? given.find((it): it is Method => typeof it === 'function') : undefined;
    let prepared: Prepared;
    try {
      prepared = prepare(given);
    } catch (denied) {
      if (name === 'existsSync') return false;
      if (style === 'promise') return Promise.reject(denied);
      if (!callback) throw denied;
      process.nextTick(callback, name === 'exists' ? false : denied);
      return undefined;
    }
    const { args, release, inspect } = prepared;
    if (!release && !inspect) return original.apply(this, args);
    return callAndFinish(original.bind(this), prepared, callback);
  };
  methods[name] = Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(original));
}

/** Calls the function; inspects its result, and releases its arguments then. */
function callAndFinish(
  call: Method,
  { args, release, inspect }: Prepared,
  callback: Method | undefined,
): unknown {
  const onResult = (error: unknown, ...results: unknown[]): unknown => {
    release?.();
    if (error) return callback?.(error, ...results);
    try {
      inspect?.(results[0]);
    } catch (denied) {
      return callback?.(denied);
    }
    return callback?.(error, ...results);
  };
  let isPending = false;
  try {
    const result = call(...args.map((it) => (callback && it === callback ? onResult : it)));
    isPending = callback !== undefined || result instanceof Promise;
    if (callback) return result;
    if (!(result instanceof Promise)) {
      inspect?.(result);
      return result;
    }
    return result
      .then((value) => {
        inspect?.(value);
        return value;
      })
      .finally(release);
  } finally {
    if (!isPending) release?.();
  }
}
