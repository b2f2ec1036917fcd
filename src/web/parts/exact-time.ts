let format: Intl.DateTimeFormat | undefined;

/** An instant in local time, to the second. The first one costs the browser 15 ms. */
export function exactTime(at: string): string {
  format ??= new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
  return format.format(new Date(at));
}
