import type { Span, TimelineData, ToolSpan } from './spans.ts';

/** Parts of the picture: more could not be told apart. */
const PARTS = 600;
const LANES = 4;
const TICKS = 6;
const STEPS = [
  100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** The spans that are drawn: of very many only what each part of the picture has the most of. */
export function drawnSpans({ spans, from, to }: TimelineData): Pick<Span, 'activity' | 'from' | 'to'>[] {
  if (spans.length <= PARTS) return spans;
  const width = (to - from) / PARTS;
  const drawn: Pick<Span, 'activity' | 'from' | 'to'>[] = [];
  let next = 0;
  for (let part = 0; part < PARTS; part += 1) {
    const [start, end] = [from + part * width, from + (part + 1) * width];
    let most: { activity: Span['activity']; time: number } | undefined;
    for (let index = next; index < spans.length; index += 1) {
      const span = spans[index];
      if (!span || span.from >= end) break;
      const time = Math.min(end, span.to) - Math.max(start, span.from);
      if (!most || time > most.time) most = { activity: span.activity, time };
      if (span.to <= end) next = index + 1;
    }
    const last = drawn.at(-1);
    if (most && last?.activity === most.activity) last.to = end;
    else if (most) drawn.push({ activity: most.activity, from: start, to: end });
  }
  return drawn;
}

/** Calls that ran at the same time are below each other; those too close to tell apart are drawn as one. */
export function toolLanes({ tools, from, to }: TimelineData): Pick<ToolSpan, 'from' | 'to' | 'ok'>[][] {
  const gap = (to - from) / PARTS;
  const lanes: Pick<ToolSpan, 'from' | 'to' | 'ok'>[][] = [];
  for (const tool of tools) {
    let lane = lanes.find((one) => (one.at(-1)?.to ?? 0) <= tool.from);
    if (!lane && lanes.length < LANES) {
      lane = [];
      lanes.push(lane);
    }
    lane ??= lanes[LANES - 1];
    const last = lane?.at(-1);
    const isNear = last !== undefined && tool.from - last.to < gap && tools.length > PARTS;
    if (last && isNear) Object.assign(last, { to: Math.max(last.to, tool.to), ok: last.ok && tool.ok });
    else lane?.push({ from: tool.from, to: tool.to, ...(tool.ok !== undefined && { ok: tool.ok }) });
  }
  return lanes;
}

/** Milliseconds since the start at which the axis has a mark. */
export function ticksOf(length: number): number[] {
  const step =
    STEPS.find((one) => length / one <= TICKS) ?? Math.ceil(length / TICKS / 86_400_000) * 86_400_000;
  const ticks: number[] = [];
  for (let tick = 0; tick <= length; tick += step) ticks.push(tick);
  return ticks;
}
