import { Component, type ComponentChild, createRef } from 'preact';

/** Rows that exist together. */
const SIZE = 100;
/** How far from the window rows begin to exist. */
const MARGIN = '800px 0px';

interface ChunksProps<T> {
  /** A longer list of the same rows may be the same array; other rows are another array. */
  rows: readonly T[];
  render: (row: T, index: number) => ComponentChild;
  /** Pixels of a row, before it was ever shown. */
  rowHeight: number;
}

/** A list of any length: only the rows near the window exist. Rows may have any height, and change it. */
export function Chunks<T>({ rows, render, rowHeight }: ChunksProps<T>) {
  const count = Math.ceil(rows.length / SIZE);
  return (
    <>
      {Array.from({ length: count }, (_, index) => (
        <Chunk
          key={index}
          rows={rows}
          render={render}
          rowHeight={rowHeight}
          from={index * SIZE}
          to={Math.min(rows.length, (index + 1) * SIZE)}
        />
      ))}
    </>
  );
}

interface ChunkProps<T> extends ChunksProps<T> {
  from: number;
  to: number;
}

class Chunk<T> extends Component<ChunkProps<T>, { near: boolean }> {
  override state = { near: this.props.from === 0 };
  readonly #element = createRef<HTMLDivElement>();
  /** The last report; the state follows only with the next frame. */
  #near = this.state.near;
  /** What it needed when it was last shown. */
  #height: number | undefined;

  override componentDidMount(): void {
    if (this.#element.current) watch(this.#element.current, (near) => this.#set(near));
  }

  override componentWillUnmount(): void {
    if (this.#element.current) unwatch(this.#element.current);
  }

  override shouldComponentUpdate(next: ChunkProps<T>, { near }: { near: boolean }): boolean {
    const { rows, render, to } = this.props;
    return near !== this.state.near || next.rows !== rows || next.render !== render || next.to !== to;
  }

  override render({ rows, render, rowHeight, from, to }: ChunkProps<T>): ComponentChild {
    const { near } = this.state;
    const height = `${this.#height ?? (to - from) * rowHeight}px`;
    return (
      <div ref={this.#element} role="presentation" style={{ height: near ? 'auto' : height }}>
        {near && rows.slice(from, to).map((row, index) => render(row, from + index))}
      </div>
    );
  }

  #set(near: boolean): void {
    if (near === this.#near) return;
    this.#near = near;
    if (!near) this.#height = this.#element.current?.offsetHeight;
    this.setState({ near });
  }
}

const watched = new WeakMap<Element, (near: boolean) => void>();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
  },
  { rootMargin: MARGIN },
);

function watch(element: Element, onChange: (near: boolean) => void): void {
  watched.set(element, onChange);
  observer.observe(element);
}

function unwatch(element: Element): void {
  observer.unobserve(element);
  watched.delete(element);
}
