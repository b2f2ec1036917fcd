import { effect, signal } from '@preact/signals';
import { base, href, taskPath } from '../links.ts';
import { navigate, path } from '../router.ts';
import { electLeader, isSeen } from './election.ts';
import { followWatched } from './follow-watched.ts';
import { isWatching } from './watch-list.ts';
import type { News } from './watched.ts';

/** Whether this browser can notify here: over https, and on this machine. */
export function canNotify(): boolean {
  return 'Notification' in globalThis && 'locks' in navigator;
}

const permitted = signal(canNotify() && Notification.permission === 'granted');

/** Asks the person, unless that was done; only in answer to a click. */
export async function mayNotify(): Promise<boolean> {
  permitted.value = (await Notification.requestPermission()) === 'granted';
  return permitted.value;
}

/** Notifies of the watched tasks, in one tab for all; call it once. Nothing runs while none is watched. */
export function startNotifier(): void {
  if (!canNotify()) return;
  let stop: AbortController | undefined;
  effect(() => {
    stop?.abort();
    if (!isWatching.value || !permitted.value) return;
    stop = new AbortController();
    void electLeader(navigator.locks, `notify ${base.pathname}`, stop.signal, (signal) =>
      followWatched(signal, notify),
    );
  });
}

async function notify(taskId: string, { title, body }: News): Promise<void> {
  if (await isSeen(navigator.locks, taskId)) return;
  // A later notification of the task takes the place of an earlier one.
  const notification = new Notification(title, { body, tag: `${base.href}${taskId}` });
  notification.onclick = () => {
    notification.close();
    const target = taskPath(taskId);
    // Another page may have a draft.
    if (path.value === '/' || path.value === target) {
      window.focus();
      navigate(target);
    } else window.open(href(target));
  };
}
