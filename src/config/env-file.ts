import { readFileSync } from 'node:fs';
import { envFilesOf } from './env-files.ts';
import { isOurs } from './environment.ts';

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*(=?)(.*)$/;

/**
 * Lines of the files in `--env-file` that Node's parser silently drops, cuts or joins, one text for each. Texts quote
 * no value.
 */
export function envFileFaults(execArgv: readonly string[] = process.execArgv): string[] {
  return envFilesOf(execArgv).flatMap((path) => {
    const bytes = contentOf(path);
    return bytes === undefined ? [] : faultsOfFile(path, bytes);
  });
}

/** Undefined for a missing file, which Node has reported. */
function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function faultsOfFile(path: string, bytes: Buffer): string[] {
  if (bytes.includes(0))
    return [`${path} is not UTF-8 text (UTF-16?), so it cannot be read: save it as UTF-8.`];
  const text = bytes.toString().replace(/^\uFEFF/, '');
  if (/\r(?!\n)/.test(text))
    return [`${path} has line ends of one carriage return: save it with LF or CRLF.`];
  const lines = text.split(/\r?\n/);
  const faults: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const [line = '', ...following] = lines.slice(index);
    const { name = '', fault, more = 0 } = checkLine(line, following);
    if (fault !== undefined) faults.push(`${name} in ${path}, line ${index + 1}: ${fault}`);
    index += 1 + more;
  }
  return faults;
}

/** What is wrong with the assignment in a line, and how many of the following lines belong to its value. */
function checkLine(
  line: string,
  following: readonly string[],
): { name?: string; fault?: string; more?: number } {
  const [, name, equals, value = ''] = ASSIGNMENT.exec(line) ?? [];
  if (name === undefined) return {};
  const quote = /^\s*(["'`])/.exec(value)?.[1];
  if (equals !== '' && quote !== undefined) return { name, ...checkQuoted(name, quote, value, following) };
  if (!isOurs(name)) return {};
  if (equals === '') return { name, fault: 'has no = after the name.' };
  if (!/^[^#]*(?<!\s)#/.test(value)) return {};
  return { name, fault: 'is cut at the "#": put the value in quotes.' };
}

function checkQuoted(name: string, quote: string, value: string, following: readonly string[]) {
  const inside = value.trimStart().slice(1);
  const end = inside.indexOf(quote);
  const rest = end < 0 ? undefined : inside.slice(end + 1);
  if (rest !== undefined)
    return isOurs(name) && !/^\s*(#|$)/.test(rest) ? { fault: 'continues after its closing quote.' } : {};
  const more = following.findIndex((line) => line.includes(quote)) + 1;
  if (more === 0) return isOurs(name) ? { fault: 'its quote is not closed.' } : {};
  const taken = following.slice(0, more).map((line) => ASSIGNMENT.exec(line)?.[1]);
  const lost = taken.find((other) => other !== undefined && isOurs(other));
  if (lost === undefined) return { more };
  return { fault: `its quote is not closed before ${lost}, which is not read.`, more };
}
