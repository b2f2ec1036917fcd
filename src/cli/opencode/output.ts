import { printable } from '../../errors.ts';

export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

export function warn(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Milliseconds as people read them. */
export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
