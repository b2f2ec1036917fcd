import { computed, signal } from '@preact/signals';
import { base, href, urlOf } from './links.ts';

const address = signal(new URL(location.href));

/** The path below the root of the bridge, from `/`. */
export const path = computed(() => `/${address.value.pathname.slice(base.pathname.length)}`);
export const query = computed(() => address.value.searchParams);

/** Shows another page, such as `/tasks/task_1?tab=changes`. */
export function navigate(to: string, { replace = false } = {}): void {
  if (href(to) === address.value.pathname + address.value.search) return;
  if (replace) history.replaceState(null, '', urlOf(to));
  else history.pushState(null, '', urlOf(to));
  const before = path.value;
  address.value = new URL(location.href);
  if (path.value !== before) scrollTo(0, 0);
}

/**
 * Sets parameters of the query of this page; undefined and `''` remove one. Replaces the entry of the history unless
 * the change is a step to go back over.
 */
export function setQuery(changes: Record<string, string | undefined>, { push = false } = {}): void {
  const url = new URL(address.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  navigate(path.value + url.search, { replace: !push });
}

/** Follows the links to pages of the bridge, and the back button, without loading the page again. */
export function startRouter(): void {
  addEventListener('popstate', () => {
    address.value = new URL(location.href);
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return;
    event.preventDefault();
    navigate(`/${url.pathname.slice(base.pathname.length)}${url.search}`);
  });
}
