/** A download begins after the click, and the browser does not say when it has the bytes. */
const KEPT_MS = 60_000;

/** Saves bytes as a file. Their type is not passed on: the address of the bytes must not open as a page of the bridge. */
export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
