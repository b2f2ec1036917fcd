import { formatDuration } from '../../parts/duration.ts';
import { drawnSpans, ticksOf, toolLanes } from './picture-layout.ts';
import type { TimelineData } from './spans.ts';

const BAR = 28;
const LANE = 7;
const AXIS = 18;

interface PictureProps {
  data: TimelineData;
  /** The index of a span. */
  selected: number;
  onSelect: (index: number) => void;
  /** What the selected span is. */
  text: string;
}

/** The spans as a bar, the calls of tools below it. The mouse and the arrow keys select a span. */
export function Picture({ data, selected, onSelect, text }: PictureProps) {
  const { spans, from, to } = data;
  const length = Math.max(1, to - from);
  const x = (time: number): string => `${(100 * (time - from)) / length}%`;
  const width = (start: number, end: number): string => `${(100 * (end - start)) / length}%`;
  const lanes = toolLanes(data);
  const height = BAR + 4 + lanes.length * LANE;
  const current = spans[selected];
  const onPointerMove = ({ clientX, currentTarget }: PointerEvent & { currentTarget: HTMLElement }): void => {
    const { left, width: pixels } = currentTarget.getBoundingClientRect();
    const time = from + ((clientX - left) / pixels) * length;
    const index = spans.findIndex((span) => time < span.to);
    onSelect(index === -1 ? spans.length - 1 : index);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const last = spans.length - 1;
    const next = {
      ArrowRight: selected + 1,
      ArrowUp: selected + 1,
      ArrowLeft: selected - 1,
      ArrowDown: selected - 1,
      PageUp: selected + 10,
      PageDown: selected - 10,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    onSelect(Math.min(last, Math.max(0, next)));
  };
  return (
    <div
      class="picture"
      role="slider"
      tabIndex={0}
      aria-label="Part of the timeline"
      aria-valuemin={1}
      aria-valuemax={spans.length}
      aria-valuenow={selected + 1}
      aria-valuetext={text}
      onPointerMove={onPointerMove}
      onPointerDown={onPointerMove}
      onKeyDown={onKeyDown}
    >
      <svg width="100%" height={height + AXIS} aria-hidden="true">
        {drawnSpans(data).map((span) => (
          <rect
            key={span.from}
            class={`activity-${span.activity}`}
            x={x(span.from)}
            width={width(span.from, span.to)}
            y={0}
            height={BAR}
          />
        ))}
        {lanes.map((lane, index) =>
          lane.map((tool) => (
            <rect
              key={`${index} ${tool.from}`}
              class={tool.ok === false ? 'call failed' : 'call'}
              x={x(tool.from)}
              width={width(tool.from, tool.to)}
              y={BAR + 4 + index * LANE}
              height={LANE - 2}
            />
          )),
        )}
        {ticksOf(length).map((tick) => (
          <g key={tick} class="tick">
            <line x1={x(from + tick)} x2={x(from + tick)} y1={0} y2={height + 3} />
            <text x={x(from + tick)} dx={3} y={height + 14}>
              {tick === 0 ? '0' : formatDuration(tick).replace(/ 0 [hms]$/, '')}
            </text>
          </g>
        ))}
        {current && (
          <rect
            class="selection"
            x={x(current.from)}
            width={width(current.from, current.to)}
            y={1}
            height={BAR - 2}
          />
        )}
      </svg>
    </div>
  );
}
