export type Delivery = 'queue' | 'interrupt';

/** How a key sends the message: Enter queues it, Ctrl+Enter or ⌘+Enter interrupts; Shift+Enter is a new line. */
export function deliveryOf(
  event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey' | 'isComposing'>,
): Delivery | undefined {
  // An input method takes Enter to choose a word.
  if (event.key !== 'Enter' || event.isComposing || event.shiftKey || event.altKey) return undefined;
  return event.ctrlKey || event.metaKey ? 'interrupt' : 'queue';
}
