import type { TaskStatus } from './api/task.ts';
import asks from './icons/asks.svg';
import failed from './icons/failed.svg';
import icon from './icons/icon.svg';
import paused from './icons/paused.svg';
import running from './icons/running.svg';
import succeeded from './icons/succeeded.svg';

const NAME = 'letta-opencode';

const ICONS: Readonly<Partial<Record<TaskStatus, string>>> = {
  running,
  input_required: asks,
  paused,
  completed: succeeded,
  failed,
  timeout: failed,
};

/** Sets the title of the window: what is shown, then the name of the product. */
export function setTitle(text: string): void {
  showState(text);
}

/** Sets title and icon of the window; the icon has the colour of a state. */
export function showState(text: string, status?: TaskStatus): void {
  document.title = text === '' ? NAME : `${text} · ${NAME}`;
  const file = (status && ICONS[status]) ?? icon;
  // An absolute address: a relative one would be resolved again at each navigation.
  const url = new URL(file, import.meta.url).href;
  const link = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  if (link && link.getAttribute('href') !== url) link.href = url;
}
