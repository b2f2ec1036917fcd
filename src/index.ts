#!/usr/bin/env node
const USAGE = `Usage: letta-opencode-plugin [command]

  serve      serve MCP over HTTP (default)
  stdio      serve one MCP client over stdin and stdout
  demo       run one task end to end with a scripted model
  doctor     check what the bridge needs
  opencode   start an OpenCode server in a container, or try one out

Configuration comes from environment variables: docs/configuration.md`;

const OLDEST_NODE = [22, 13];

/** Keeps compiled code between starts, where Node can; a start then takes half the time. */
async function keepCompiledCode(): Promise<void> {
  (await import('node:module')).enableCompileCache?.();
}

/**
 * The live heap is about 25 MB, but on a machine with much memory V8 lets garbage pile up to several times as
 * much. Collecting sooner costs little.
 */
async function keepHeapSmall(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--heap-growing-percent=30');
  setFlagsFromString('--semi-space-growth-factor=1');
}

async function main(command: string): Promise<number> {
  await (await import('./cli/proxy.ts')).obeyProxyVariables();
  switch (command) {
    case 'serve':
      return (await import('./cli/serve.ts')).serve();
    case 'stdio':
      return (await import('./cli/stdio.ts')).stdio();
    case 'demo':
      return (await import('./cli/demo.ts')).demo();
    case 'doctor':
      return (await import('./cli/doctor.ts')).doctor();
    case 'opencode':
      return (await import('./cli/opencode.ts')).opencode(process.argv.slice(3));
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(`${USAGE}\n`);
      return 0;
    case '--version':
      process.stdout.write(`${(await import('./version.ts')).VERSION}\n`);
      return 0;
    default:
      process.stderr.write(`Unknown command ${JSON.stringify(command)}.\n${USAGE}\n`);
      return 2;
  }
}

/** Older ones lack node:sqlite; hence nothing is imported before this is known. */
function nodeIsTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

if (nodeIsTooOld()) {
  process.stderr.write(
    `letta-opencode-plugin needs Node ${OLDEST_NODE.join('.')} or later, this is ${process.versions.node}.\n`,
  );
  process.exitCode = 1;
} else {
  await keepCompiledCode();
  await keepHeapSmall();
  process.exitCode = await main(process.argv[2] ?? 'serve').catch(async (thrown) => {
    const { explain } = await import('./cli/command.ts');
    return explain(thrown);
  });
}
