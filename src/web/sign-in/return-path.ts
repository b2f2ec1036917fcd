/**
 * The page to show after the sign-in, as a path below the root of the bridge. Anything else than a page of this bridge
 * becomes `/`, so that a link to the sign-in cannot lead elsewhere.
 */
export function returnPath(wanted: string | null, base: URL): string {
  if (!wanted?.startsWith('/') || /^\/[/\\]|\p{Cc}/u.test(wanted)) return '/';
  const url = new URL(`.${wanted}`, base);
  if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return '/';
  const path = `/${url.pathname.slice(base.pathname.length)}`;
  return path === '/sign-in' ? '/' : path + url.search;
}
