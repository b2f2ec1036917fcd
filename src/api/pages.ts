/** The first rows whose JSON has at most `max` characters together; at least one. */
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

/** Loads a page of at most `limit` bytes; a quarter of that if most of its characters are escaped in JSON. */
export async function pageThatFits<P>(
  limit: number,
  load: (limit: number) => Promise<P>,
  contentOf: (page: P) => string,
): Promise<P> {
  const page = await load(limit);
  return jsonSize(contentOf(page)) <= 2.5 * limit ? page : load(Math.ceil(limit / 4));
}
