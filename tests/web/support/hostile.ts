/** Runs if it becomes markup. The handler makes `pwned`, which tests look for. */
export const MARKUP =
  '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script><svg/onload=globalThis.pwned=1>' +
  '</pre></textarea></title><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>';

/** Reads otherwise than it is, in a terminal or an editor. */
export const BIDI = 'safe\u202egpj.exe\u2066 \u200f\u061c';

/** Moves the cursor, clears the screen, sets the title, rings; the last ones are links. */
export const ANSI =
  '\u001b[2J\u001b[H\u001b]0;owned\u0007\u0007\u001b[31mred\u001b[0m \u001b[8mhidden\u001b[0m \u001b[38;5;300mx' +
  '\u001b]8;;javascript:globalThis.pwned=1\u0007script link\u001b]8;;\u0007 ' +
  '\u001b]8;;https://example.org/a"onmouseover="globalThis.pwned=1\u0007web link\u001b]8;;\u0007 \u001bP+q\u001b\\ \u009b31m \u001b[';

/** Words of a model that wants to be clicked. */
export const LINKS =
  '[click](javascript:globalThis.pwned=1) <a href="javascript:globalThis.pwned=1">here</a> ' +
  'javascript:globalThis.pwned=1 data:text/html,<script>1</script> vbscript:x file:///etc/passwd ' +
  'https://example.org/"><script>globalThis.pwned=1</script> http://user:pass@example.org/ ![x](https://example.org/x.png)';

/** Has no place to break. */
const LONG_WORD = 'w'.repeat(3_000);

export const EVERYTHING = [MARKUP, BIDI, ANSI, LINKS, LONG_WORD].join(' ');

/** Names that git and the file system of Linux allow. */
export const FILE_NAMES = [
  '<img src=x onerror=globalThis.pwned=1>.html',
  'safe\u202egpj.exe',
  'line\nfeed \u001b[31m.txt',
  '"quoted" \\ back.txt',
  '-rf',
  'javascript:globalThis.pwned=1',
  `${'long'.repeat(60)}.txt`,
  '%2e%2e%2fescape',
  '?tab=raw&file=x#y',
  'ünïcödé \u{1f4a9}.md',
];
