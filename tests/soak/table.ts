import type { Audit } from './audit.ts';
import type { Size } from './bridge-process.ts';

/** A bridge without tasks holds no more than one with twenty, but for what is just being closed. */
const MORE_HANDLES = 10;
const MORE_MEMORY = 1.5;
const SHOWN = 20;

interface Run {
  seed: number;
  found: Audit;
  /** Faults by name, and how often. */
  struck: ReadonlyMap<string, number>;
  /** Calls that agents had to make again. */
  repeated: number;
  /** The bridge at its largest in the first minute, and at the end. */
  first: Size;
  last: Size;
}

/** The table of a run and what is broken; `ok` where nothing is. */
export function tableOf({ seed, found, struck, repeated, first, last }: Run): { text: string; ok: boolean } {
  const { accepted, ended, lost, twice, gaps, hollow, unfinished } = found;
  const rows: [what: string, count: string | number, goal: string, ok: boolean][] = [
    ['tasks accepted', accepted, 'some', accepted > 0],
    ...count(ended).map(([state, n]): [string, number, string, boolean] => [
      `ended as ${state}`,
      n,
      '',
      true,
    ]),
    ['lost', lost.length, '0', lost.length === 0],
    ['run twice', twice.length, '0', twice.length === 0],
    ['gaps in seq', gaps.length, '0', gaps.length === 0],
    ['completed without their work', hollow.length, '0', hollow.length === 0],
    ['timed out or failed', unfinished.length, '0', unfinished.length === 0],
    ['calls made again', repeated, '', true],
    ...count(struck).map(([name, n]): [string, number, string, boolean] => [`fault: ${name}`, n, '', true]),
    [
      'open handles, most in the first minute and at the end',
      `${first.handles}, ${last.handles}`,
      `at most ${MORE_HANDLES} more`,
      last.handles <= first.handles + MORE_HANDLES,
    ],
    [
      'memory, most in the first minute and at the end',
      `${first.memoryMb} MB, ${last.memoryMb} MB`,
      `at most ${MORE_MEMORY} times`,
      last.memoryMb <= first.memoryMb * MORE_MEMORY,
    ],
  ];
  const broken = [...lost, ...twice, ...gaps, ...hollow, ...unfinished]
    .slice(0, SHOWN)
    .map((line) => `  ${line}`);
  const lines = [
    `seed ${seed}`,
    '| what | count | goal | met |',
    '| --- | --- | --- | --- |',
    ...rows.map(([what, n, goal, ok]) => `| ${what} | ${n} | ${goal} | ${ok ? 'yes' : 'no'} |`),
    ...(broken.length > 0 ? ['broken:', ...broken, ...found.logs.slice(0, SHOWN)] : []),
  ];
  return { text: `${lines.join('\n')}\n`, ok: rows.every(([, , , ok]) => ok) };
}

function count(map: ReadonlyMap<string, number>): [string, number][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
