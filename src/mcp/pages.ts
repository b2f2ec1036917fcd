/** Characters of an answer at most, over both forms together; about 25,000 tokens. */
export const MAX_ANSWER = 100_000;
/**
 * Bytes of content that stand in one answer in both forms, for some clients show their model the text alone,
 * others the structured content alone.
 */
export const CONTENT_PAGE = 24_000;
/** The same of a patch, which stands below a list. */
export const PATCH_PAGE = 16_000;
/** JSON characters of the rows of a list in one answer; the same in text is shorter. */
export const ROWS_PAGE = 16_000;

/** What fits of the rows: at least one, and so many that their JSON has at most `max` characters. */
export function rowsThatFit<T>(rows: readonly T[], max: number, sizeOf = jsonSize<T>): T[] {
  let size = 0;
  const tooMany = rows.findIndex((row, index) => {
    size += sizeOf(row);
    return index > 0 && size > max;
  });
  return tooMany < 0 ? [...rows] : rows.slice(0, tooMany);
}

/** Characters of the value as JSON. */
export function jsonSize<T>(value: T): number {
  return JSON.stringify(value).length;
}

/** Loads a page of at most `limit` bytes; a quarter of it where most of its characters are escaped in JSON. */
export async function pageThatFits<P>(
  limit: number,
  load: (limit: number) => Promise<P>,
  contentOf: (page: P) => string,
): Promise<P> {
  const page = await load(limit);
  return jsonSize(contentOf(page)) <= 2.5 * limit ? page : load(Math.ceil(limit / 4));
}
