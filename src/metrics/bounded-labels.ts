const OTHER = 'other';
/** A label longer than this is a text, not a name. */
const MAX_LENGTH = 100;

/**
 * Values of a label that callers or models choose, such as the name of a model: the first `max` of them, the rest are
 * `other`. Each value is a time series, in the memory of the bridge and of whoever collects it.
 */
export class BoundedLabels {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max || value.length > MAX_LENGTH) return OTHER;
    this.#known.add(value);
    return value;
  }
}
