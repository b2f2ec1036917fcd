type Method = (...args: unknown[]) => unknown;

/** How a function returns its result: at once, by its last argument, or by a promise. */
export type Style = 'sync' | 'callback' | 'promise';

/** Arguments for a function, valid until `release`. */
export interface Prepared {
  args: unknown[];
  release?: () => void;
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
    const { args, release } = prepared;
    return release ? thenRelease(original.bind(this), args, callback, release) : original.apply(this, args);
  };
  methods[name] = Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(original));
}

/** Calls the function, and `release` when it has its result. */
function thenRelease(
  call: Method,
  args: unknown[],
  callback: Method | undefined,
  release: () => void,
): unknown {
  const onResult = (...results: unknown[]): unknown => {
    release();
    return callback?.(...results);
  };
  let result: unknown;
  try {
    result = call(...args.map((it) => (callback && it === callback ? onResult : it)));
  } catch (thrown) {
    release();
    throw thrown;
  }
  if (callback) return result;
  if (result instanceof Promise) return result.finally(release);
  release();
  return result;
}
