import { computed, type ReadonlySignal, signal } from '@preact/signals';
import { base } from '../links.ts';
import { parseWatched, type Watched } from './watched.ts';

// An entry of localStorage belongs to an origin; bridges behind one proxy share it.
const KEY = `notify ${base.pathname}`;
/** Oldest go first. */
const MAX_WATCHED = 100;

const list = signal<readonly Watched[]>(parseWatched(localStorage.getItem(KEY)));

// Another tab has changed it.
addEventListener('storage', ({ key, newValue }) => {
  if (key === KEY) list.value = parseWatched(newValue);
});

/** The tasks that are watched, the same in all tabs. */
export const watchList: ReadonlySignal<readonly Watched[]> = list;
export const isWatching = computed(() => list.value.length > 0);

/** Watches a task, or takes what is known of it now. */
export function put(watched: Watched): void {
  store([...others(watched.id), watched].slice(-MAX_WATCHED));
}

export function remove(id: string): void {
  store(others(id));
}

/** Read from the storage: an event of another tab may be on its way. */
function others(id: string): Watched[] {
  return parseWatched(localStorage.getItem(KEY)).filter((watched) => watched.id !== id);
}

function store(watched: readonly Watched[]): void {
  localStorage.setItem(KEY, JSON.stringify(watched));
  list.value = watched;
}
