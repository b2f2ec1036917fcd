import icon from './icons/icon.svg';

const NAME = 'letta-opencode';

/** Sets the title of the window: what is shown, then the name of the product. */
export function setTitle(text: string): void {
  document.title = text === '' ? NAME : `${text} · ${NAME}`;
}

/** The icon of the window. */
export const iconUrl = new URL(icon, import.meta.url).href;
