import { readFileSync } from 'node:fs';
import { envFilesOf } from './env-files.ts';
import { isOurs } from './environment.ts';

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*(=?)(.*)$/;

/**
 * What Node's parser would drop, cut or run together without a word in the files that this process was told to read
 * (`--env-file`), one line for each; nothing of a value is quoted.
 */
export function envFileFaults(execArgv: readonly string[] = process.execArgv): string[] {
  return envFilesOf(execArgv).flatMap((path) => {
    const bytes = contentOf(path);
    return bytes === undefined ? [] : faultsOfFile(path, bytes);
  });
}

/** Undefined for one that is not there; Node has said what is to be said about that. */
function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function faultsOfFile(path: string, bytes: Buffer): string[] {
  if (bytes.includes(0))
    return [`${path} is not UTF-8 text (UTF-16?), so it is not read right: save it as UTF-8.`];
  const text = bytes.toString().replace(/^\uFEFF/, '');
  if (/\r(?!\n)/.test(text))
    return [`${path} has line ends of one carriage return: save it with LF or CRLF.`];
  const lines = text.split(/\r?\n/);
  const faults: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const [line = '', ...following] = lines.slice(index);
    const { name = '', fault, more = 0 } = look(line, following);
    if (fault !== undefined) faults.push(`${name} in ${path}, line ${index + 1}: ${fault}`);
    index += 1 + more;
  }
  return faults;
}

/** What is wrong with the assignment in a line, and how many of the following lines its value takes in. */
function look(line: string, following: readonly string[]): { name?: string; fault?: string; more?: number } {
  const [, name, equals, value = ''] = ASSIGNMENT.exec(line) ?? [];
  if (name === undefined) return {};
  const quote = /^\s*(["'`])/.exec(value)?.[1];
  if (equals !== '' && quote !== undefined) return { name, ...lookQuoted(name, quote, value, following) };
  if (!isOurs(name)) return {};
  if (equals === '') return { name, fault: 'has no = behind the name.' };
  if (!/^[^#]*(?<!\s)#/.test(value)) return {};
  return { name, fault: 'is cut at the "#": put the value in quotes.' };
}

function lookQuoted(name: string, quote: string, value: string, following: readonly string[]) {
  const inside = value.trimStart().slice(1);
  const end = inside.indexOf(quote);
  const rest = end < 0 ? undefined : inside.slice(end + 1);
  if (rest !== undefined)
    return isOurs(name) && !/^\s*(#|$)/.test(rest) ? { fault: 'goes on behind its closing quote.' } : {};
  const more = following.findIndex((line) => line.includes(quote)) + 1;
  if (more === 0) return isOurs(name) ? { fault: 'its quote is not closed.' } : {};
  const taken = following.slice(0, more).map((line) => ASSIGNMENT.exec(line)?.[1]);
  const lost = taken.find((other) => other !== undefined && isOurs(other));
  if (lost === undefined) return { more };
  return { fault: `its quote is not closed before ${lost}, which does not count.`, more };
}
