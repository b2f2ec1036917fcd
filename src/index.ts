#!/usr/bin/env node
const USAGE = `Usage: letta-opencode-plugin [command]

  serve      serve MCP over HTTP (default)
  stdio      serve one MCP client over stdin and stdout
  demo       run one task end to end with a scripted model
  doctor     check what the bridge needs
  opencode   start an OpenCode server in a container, or test one

Configuration comes from environment variables: docs/configuration.md`;

const MIN_NODE_VERSION = [22, 13];
/** In which a slow reader of stdout can take the rest. */
const EXIT_GRACE_MS = 3_000;

/** Caches compiled code between starts if Node can; a start then takes half the time. */
async function enableCompileCache(): Promise<void> {
  (await import('node:module')).enableCompileCache?.();
}

/**
 * The live heap is about 25 MB, but on a machine with much memory V8 lets it grow to several times as much before
 * it collects. Collecting sooner costs little.
 */
async function limitHeapGrowth(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--heap-growing-percent=30');
  setFlagsFromString('--semi-space-growth-factor=1');
}

async function main(command: string): Promise<number> {
  await (await import('./cli/proxy.ts')).applyProxyVariables();
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
      process.stdout.write(`${(await import('./package.ts')).VERSION}\n`);
      return 0;
    default:
      process.stderr.write(`Unknown command ${JSON.stringify(command)}.\n${USAGE}\n`);
      return 2;
  }
}

/** Older versions lack node:sqlite, so nothing is imported before this check. */
function nodeIsTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [minMajor = 0, minMinor = 0] = MIN_NODE_VERSION;
  return major < minMajor || (major === minMajor && minor < minMinor);
}

if (nodeIsTooOld()) {
  process.stderr.write(
    `letta-opencode-plugin needs Node ${MIN_NODE_VERSION.join('.')} or later, this is ${process.versions.node}.\n`,
  );
  process.exitCode = 1;
} else {
  await enableCompileCache();
  await limitHeapGrowth();
  process.exitCode = await main(process.argv[2] ?? 'serve').catch(async (thrown) => {
    const { explain } = await import('./cli/command.ts');
    return explain(thrown);
  });
  // A request that a library has not given up must not keep a process that has done its work.
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}
