const FLAG = /^--env-file(?:-if-exists)?(?:=(.*))?$/s;

/** The files of Node's `--env-file` options, with the path after `=` or as the next argument. */
export function envFilesOf(execArgv: readonly string[] = process.execArgv): string[] {
  return execArgv.flatMap((arg, index) => {
    const flag = FLAG.exec(arg);
    return flag ? (flag[1] ?? execArgv[index + 1] ?? []) : [];
  });
}
