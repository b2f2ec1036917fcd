const TO_FIRST_COLUMN = ['\u001b[G', '\u001b[0G', '\u001b[1G'];
/** Stands for what was on the line before: nothing vanishes without a mark. */
const OVERWRITTEN = '\u21a4';

/** The lines as a terminal shows them in the end: a carriage return begins the line anew, as progress bars do. */
export function terminalLines(text: string): string {
  let input = text;
  for (const sequence of TO_FIRST_COLUMN) input = input.replaceAll(sequence, '\r');
  return input.includes('\r') ? input.split('\n').map(lastOfLine).join('\n') : text;
}

function lastOfLine(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  const start = end === 0 ? 0 : line.lastIndexOf('\r', end - 1) + 1;
  return start === 0 ? line.slice(0, end) : OVERWRITTEN + line.slice(start, end);
}
