import { z } from 'zod';
import { BridgeError, quote } from '../../errors.ts';
import type { ModelConfig } from '../../tasks/model-config.ts';
import type { ModelConfigTarget } from '../runner.ts';

/** Where a container has the file with a task's system prompt. */
export const SYSTEM_PROMPT = '/opencode/system-prompt.md';
const OUTPUT_LIMIT = 'OPENCODE_EXPERIMENTAL_OUTPUT_TOKEN_MAX';
/** Agents that every OpenCode has. To configure another would create it where the image does not have it. */
const BUILT_IN: readonly string[] = ['build', 'plan'];
const DEFAULT_AGENT = 'build';

type Environment = Readonly<Record<string, string>>;

/** The settings of a task's model as variables of its container; `env` is what all containers get. */
export function modelSettings(
  { model, agent = DEFAULT_AGENT, modelConfig = {} }: Omit<ModelConfigTarget, 'directory'> & Settings,
  env: Environment,
): Environment {
  const { temperature, max_tokens, system_prompt } = modelConfig;
  const config = {
    ...(temperature !== undefined && {
      agent: { [agent]: { temperature } },
      ...takesTemperature(model),
    }),
    ...(system_prompt !== undefined && { instructions: [SYSTEM_PROMPT] }),
  };
  return {
    ...(Object.keys(config).length > 0 && {
      OPENCODE_CONFIG_CONTENT: mergedConfig(env.OPENCODE_CONFIG_CONTENT, config),
    }),
    ...(max_tokens !== undefined && { [OUTPUT_LIMIT]: `${lower(max_tokens, env[OUTPUT_LIMIT])}` }),
  };
}

interface Settings {
  modelConfig?: ModelConfig | undefined;
}

/** OpenCode's configuration as JSON with more in it: objects are joined, lists put behind each other. */
export function mergedConfig(content: string | undefined, more: object): string {
  return JSON.stringify(merge(parsed(content), more));
}

/** Throws by name for what a container cannot have. The bridge cannot see what an image has configured. */
export function requireModelConfig(config: ModelConfig, { model, agent }: Partial<ModelConfigTarget>): void {
  const { temperature, max_tokens, enabled_tools } = config;
  if (enabled_tools !== undefined) {
    throw unsupported(
      `\`model_config.enabled_tools\` ${quote(enabled_tools)}: in Docker mode the bridge does not know the tools of the image, so it cannot deny the others`,
      'Leave enabled_tools out, or name an `agent` of the image that has only these tools; server mode can deny tools.',
    );
  }
  if (temperature !== undefined) {
    requireModel(`temperature\` ${temperature}`, model);
    requireBuiltIn(temperature, agent);
  }
  if (max_tokens !== undefined) {
    const known = requireModel(`max_tokens\` ${max_tokens}`, model);
    if (sendsNoLimit(known)) {
      throw unsupported(
        `\`model_config.max_tokens\` ${max_tokens}: OpenCode sends no limit of output tokens to ${quote(known)}`,
        'Leave it out, or limit all tokens of the task with `max_tokens` beside `model_config`.',
      );
    }
  }
}

/** OpenCode leaves the temperature out for a model of which its catalogue does not say that it takes one. */
function takesTemperature(model: string | undefined): object {
  const [provider, ...rest] = (model ?? '').split('/');
  if (provider === undefined || rest.length === 0) return {};
  return { provider: { [provider]: { models: { [rest.join('/')]: { temperature: true } } } } };
}

function requireModel(setting: string, model: string | undefined): string {
  if (model === undefined) {
    throw new BridgeError('INVALID_INPUT', `\`model_config.${setting} is given without a model.`, {
      next: 'Name `provider` and `model` too: in Docker mode the bridge does not know the choice of the image.',
    });
  }
  // OpenCode replaces {env:…} and {file:…} in its configuration.
  if (!/[{}]/.test(model)) return model;
  throw new BridgeError('INVALID_INPUT', `\`model\` ${quote(model)} contains a brace.`, {
    next: 'Name a model without braces.',
  });
}

function requireBuiltIn(temperature: number, agent: string | undefined): void {
  if (agent === undefined || BUILT_IN.includes(agent)) return;
  throw unsupported(
    `\`model_config.temperature\` ${temperature} with \`agent\` ${quote(agent)}: in Docker mode only ${BUILT_IN.join(' and ')} can get one`,
    'Name one of these agents, or set the temperature where the agent is defined.',
  );
}

/** Plugins that are part of OpenCode remove the limit for these. */
function sendsNoLimit(model: string): boolean {
  const provider = model.split('/')[0] ?? '';
  return provider === 'openai' || (provider.includes('github-copilot') && model.includes('gpt'));
}

/** The operator's own limit stays in force. */
function lower(wanted: number, given: string | undefined): number {
  const limit = Number(given);
  return Number.isInteger(limit) && limit > 0 ? Math.min(wanted, limit) : wanted;
}

function parsed(content: string | undefined): object {
  if (content === undefined || content.trim() === '') return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(content));
  } catch (cause) {
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_CONFIG_CONTENT is not a JSON object.', { cause });
  }
}

function merge(base: unknown, more: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(more)) return [...base, ...more];
  if (!isObject(base) || !isObject(more)) return more;
  const added = Object.entries(more).map(([key, value]) => [
    key,
    Object.hasOwn(base, key) ? merge(Reflect.get(base, key), value) : value,
  ]);
  // Entries, because an assignment to `__proto__` is none.
  return Object.fromEntries([...Object.entries(base), ...added]);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unsupported(what: string, next: string): BridgeError {
  return new BridgeError('UNSUPPORTED', `${what}.`, { next });
}
