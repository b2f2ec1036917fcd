/**
 * The rows of a long list, in the order of their ids, with their heights in pixels: measured where they were shown,
 * else estimated.
 */
export class RowHeights {
  #ids: number[] = [];
  #heights: number[] = [];
  readonly #measured = new Map<number, number>();
  readonly #estimate: (id: number) => number;

  constructor(estimate: (id: number) => number) {
    this.#estimate = estimate;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  get total(): number {
    return this.offsetOf(this.#ids.length);
  }

  has(id: number): boolean {
    return this.#ids[this.indexOf(id)] === id;
  }

  /** The index of an id, or of the first one after it. */
  indexOf(id: number): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ids[middle] ?? 0) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(id: number): void {
    const index = this.indexOf(id);
    if (this.#ids[index] === id) return;
    this.#ids.splice(index, 0, id);
    this.#heights.splice(index, 0, this.#heightOf(id));
  }

  remove(id: number): void {
    const index = this.indexOf(id);
    if (this.#ids[index] !== id) return;
    this.#ids.splice(index, 1);
    this.#heights.splice(index, 1);
  }

  /** Shows these rows and no others; what was measured stays known. */
  replace(ids: readonly number[]): void {
    this.#ids = [...ids];
    this.#heights = this.#ids.map((id) => this.#heightOf(id));
  }

  dropBefore(id: number): void {
    const count = this.indexOf(id);
    this.#ids.splice(0, count);
    this.#heights.splice(0, count);
    for (const known of this.#measured.keys()) if (known < id) this.#measured.delete(known);
  }

  /** Whether the height changed. */
  measure(id: number, height: number): boolean {
    this.#measured.set(id, height);
    const index = this.indexOf(id);
    if (this.#ids[index] !== id || Math.abs((this.#heights[index] ?? 0) - height) < 0.1) return false;
    this.#heights[index] = height;
    return true;
  }

  /** The width has changed, and with it all heights. */
  forgetMeasures(): void {
    this.#measured.clear();
  }

  /** Where the row with this index begins. */
  offsetOf(index: number): number {
    let offset = 0;
    for (let at = 0; at < index; at += 1) offset += this.#heights[at] ?? 0;
    return offset;
  }

  /** The index of the row at an offset; the last one if it is beyond the end. */
  indexAt(offset: number): number {
    let end = 0;
    for (let at = 0; at < this.#heights.length; at += 1) {
      end += this.#heights[at] ?? 0;
      if (end > offset) return at;
    }
    return Math.max(0, this.#heights.length - 1);
  }

  #heightOf(id: number): number {
    return this.#measured.get(id) ?? this.#estimate(id);
  }
}
