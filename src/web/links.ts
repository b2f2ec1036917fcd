/** The root of the bridge, with its path behind a reverse proxy: scripts are at `assets/` below it. */
export const base = new URL('..', import.meta.url);

/** The absolute URL of a path of the bridge, such as `/tasks?status=running`. */
export function urlOf(path: string): URL {
  return new URL(path.replace(/^\//, './'), base);
}

/** A path of the bridge as an `href`. */
export function href(path: string): string {
  const { pathname, search, hash } = urlOf(path);
  return pathname + search + hash;
}

/** The link to the page of a task. */
export function taskPath(taskId: string): string {
  return `/tasks/${taskId}`;
}
