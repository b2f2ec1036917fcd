import { type Config, ConfigError, loadConfig } from '../config/config.ts';
import { EXIT } from './command.ts';
import type { Check, Finding } from './doctor/check.ts';
import { commands } from './doctor/commands.ts';
import { dockerEngine, passedVariables } from './doctor/docker.ts';
import { embeddedServer } from './doctor/embedded.ts';
import { externalServer } from './doctor/external.ts';
import { dataFolder, workspaceFolder } from './doctor/folders.ts';
import { letta } from './doctor/letta.ts';
import { git, mappings, node, ripgrep } from './doctor/machine.ts';
import { matrix } from './doctor/matrix.ts';
import { proxy } from './doctor/proxy.ts';
import { report } from './doctor/report.ts';
import { webhook } from './doctor/webhook.ts';

/** Prints what the bridge needs and whether it is there; exit code 1 where the chosen mode cannot work. */
export async function doctor(): Promise<number> {
  const findings = await examine();
  process.stdout.write(report(findings));
  return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.ok;
}

async function examine(): Promise<Finding[]> {
  try {
    const config = loadConfig();
    const findings: Finding[] = [];
    for (const check of checks(config)) findings.push(...(await check(config)));
    return findings;
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems.map(misconfigured);
    throw thrown;
  }
}

/** The checks of the configured mode, in the order of the table. */
function checks({ openCode }: Config): Check[] {
  const common = [node, configuration, proxy, git, dataFolder, workspaceFolder, letta, matrix, webhook];
  if (!openCode.enabled) return [...common, dockerEngine, passedVariables];
  if (openCode.url !== undefined) return [...common, externalServer(openCode.url)];
  return [...common, ripgrep, mappings, commands, embeddedServer];
}

const configuration: Check = async ({ openCode }) => {
  const server = openCode.url === undefined ? 'embedded' : `server at ${openCode.url}`;
  const mode = openCode.enabled ? `OpenCode server mode, ${server}` : 'Docker mode';
  return [{ check: 'configuration', status: 'ok', detail: mode }];
};

function misconfigured(problem: string): Finding {
  return {
    check: 'configuration',
    status: 'fail',
    detail: problem,
    next: `Correct ${problem.split(' ')[0]} (docs/configuration.md); doctor then checks the rest.`,
  };
}
