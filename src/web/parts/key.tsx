/** A key in a button, for the eyes; `aria-keyshortcuts` of the button has it for others. */
export function Key({ name }: { name: string }) {
  return (
    <span aria-hidden="true">
      <kbd>{name}</kbd>
    </span>
  );
}
