import { resolve } from 'node:path';

const FLAG = /^--env-file(?:-if-exists)?(?:=(.*))?$/s;

/** The files that Node was told to take variables from, `--env-file=<path>` or with the path behind it; absolute. */
export function envFilesOf(execArgv: readonly string[] = process.execArgv): string[] {
  return execArgv.flatMap((arg, index) => {
    const flag = FLAG.exec(arg);
    if (!flag) return [];
    const path = flag[1] ?? execArgv[index + 1];
    return path === undefined ? [] : [resolve(path)];
  });
}
