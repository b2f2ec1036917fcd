export type Delivery = 'queue' | 'interrupt';

/** The part of a KeyboardEvent that decides. */
interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  isComposing: boolean;
}

/** How a key sends the message: Enter queues it, Ctrl+Enter or ⌘+Enter interrupts; Shift+Enter is a new line. */
export function deliveryOf(event: Key): Delivery | undefined {
  // An input method takes Enter to choose a word.
  if (event.key !== 'Enter' || event.isComposing || event.shiftKey || event.altKey) return undefined;
  return event.ctrlKey || event.metaKey ? 'interrupt' : 'queue';
}
