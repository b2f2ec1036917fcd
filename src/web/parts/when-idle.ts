/** Where the browser has no requestIdleCallback: Safari. */
const SOON_MS = 200;
/** A tab in the background is never idle. */
const LATEST_MS = 1_000;

/** Runs something when the browser has nothing else to do, so that what a person does goes first. Returns how to stop it. */
export function whenIdle(run: () => void): () => void {
  if ('requestIdleCallback' in globalThis) {
    const id = requestIdleCallback(run, { timeout: LATEST_MS });
    return () => cancelIdleCallback(id);
  }
  const id = setTimeout(run, SOON_MS);
  return () => clearTimeout(id);
}
