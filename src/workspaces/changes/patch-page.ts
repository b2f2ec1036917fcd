import type { GitResult } from './git.ts';

export interface PatchPage {
  patch: string;
  /** Whether the patch continues at byte `end`. */
  truncated: boolean;
  /** The position after the page, in bytes. */
  end: number;
}

/** The output of git from byte `from` on. A page that is not the last ends with a whole line, or at least character. */
export function patchPage({ stdout, cut }: GitResult, from: number): PatchPage {
  const page = stdout.subarray(from, cut ? from + wholeLines(stdout.subarray(from)) : stdout.length);
  return { patch: page.toString(), truncated: cut, end: from + page.length };
}

function wholeLines(bytes: Buffer): number {
  return bytes.lastIndexOf('\n') + 1 || wholeCharacters(bytes);
}

/** The last character can be incomplete by up to three bytes. */
function wholeCharacters(bytes: Buffer): number {
  const start = [1, 2, 3]
    .map((back) => bytes.length - back)
    .find((at) => at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0xc0);
  return start ?? bytes.length;
}
