const FLAG = /^--env-file(?:-if-exists)?(?:=(.*))?$/s;

/** The files that Node was told to take variables from, as `--env-file=<path>` or with the path behind it gives them. */
export function envFilesOf(execArgv: readonly string[] = process.execArgv): string[] {
  return execArgv.flatMap((arg, index) => {
    const flag = FLAG.exec(arg);
    return flag ? (flag[1] ?? execArgv[index + 1] ?? []) : [];
  });
}
