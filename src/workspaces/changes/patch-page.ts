import type { GitResult } from './git.ts';

export interface PatchPage {
  patch: string;
  /** Whether more follows at byte `end`. */
  truncated: boolean;
  /** Byte behind the page. */
  end: number;
}

/** What git said from byte `from` on; a page that more follows ends with a line, or at least with a character. */
export function patchPage({ stdout, cut }: GitResult, from: number): PatchPage {
  const page = stdout.subarray(from, cut ? from + wholeLines(stdout.subarray(from)) : stdout.length);
  return { patch: page.toString(), truncated: cut, end: from + page.length };
}

function wholeLines(bytes: Buffer): number {
  return bytes.lastIndexOf('\n') + 1 || wholeCharacters(bytes);
}

/** UTF-8 may be cut in up to three bytes before the one that begins the next character. */
function wholeCharacters(bytes: Buffer): number {
  const start = [1, 2, 3]
    .map((back) => bytes.length - back)
    .find((at) => at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0xc0);
  return start ?? bytes.length;
}
