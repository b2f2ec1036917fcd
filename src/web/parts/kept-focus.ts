import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * Keeps the focus in an element when what had it there goes, so that the keys do not begin at the top of the page
 * again. `content`: changes when something goes. Put `focusEvents` on the element, which needs a `tabIndex`.
 */
export function useKeptFocus(element: RefObject<HTMLElement | null>, content: unknown) {
  const isInside = useRef(false);
  useLayoutEffect(() => {
    const isLost = document.activeElement === null || document.activeElement === document.body;
    if (isInside.current && isLost) element.current?.focus({ preventScroll: true });
  }, [content]);
  return {
    onFocusIn: () => {
      isInside.current = true;
    },
    // Without a next element the focus is nowhere, perhaps because its element goes just now.
    onFocusOut: ({ relatedTarget }: FocusEvent) => {
      isInside.current = relatedTarget === null;
    },
  };
}
