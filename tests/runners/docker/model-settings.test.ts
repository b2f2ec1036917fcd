import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../../src/cli/demo/scripted-model/server.ts';
import { containerSpec } from '../../../src/runners/docker/container-spec.ts';
import {
  mergedConfig,
  requireModelConfig,
  SYSTEM_PROMPT,
} from '../../../src/runners/docker/model-settings.ts';
import { findOpenCode } from '../../../src/runners/opencode-server/binary.ts';
import type { ModelConfig } from '../../../src/tasks/model-config.ts';
import { hermeticHome } from '../../support/opencode.ts';
import { subagent } from '../../support/steps.ts';
import { tempDir } from '../../support/temp.ts';

const LIMITS = {
  image: 'i',
  cpus: 1,
  memoryBytes: 1e9,
  pids: 9,
  network: 'none',
  permissions: 'allow',
} as const;
const OUTPUT_LIMIT = 'OPENCODE_EXPERIMENTAL_OUTPUT_TOKEN_MAX';

/** The container of a turn with these settings. */
function spec(modelConfig: ModelConfig | undefined, env: Record<string, string> = {}, more: object = {}) {
  const ids = { bridgeId: 'b', taskId: 'task_1', agentId: 'me', user: '1:1', model: 'mock/m1' };
  const paths = { directory: '/w', dataDir: '/d', promptFile: '/p' };
  return containerSpec({ ...ids, ...paths, modelConfig, ...more }, { ...LIMITS, env });
}

function variables({ Env = [] }: ReturnType<typeof spec>): Record<string, string> {
  return Object.fromEntries(Env.map((line) => line.split(/=(.*)/s, 2)));
}

describe('the variables of a container', () => {
  it('are the same as ever without settings', () => {
    const env = { OPENCODE_CONFIG_CONTENT: '{ // not JSON, but OpenCode reads it\n}' };
    expect(variables(spec(undefined, env))).toEqual(variables(spec({}, env)));
    expect(variables(spec({}, env))).toMatchObject(env);
    expect(variables(spec({}))).not.toHaveProperty(OUTPUT_LIMIT);
  });

  it("have the settings besides the operator's configuration", () => {
    const given = {
      theme: 'x',
      instructions: ['a.md'],
      agent: { build: { prompt: 'p' }, other: { temperature: 1 } },
      provider: { mock: { options: { apiKey: 'k' }, models: { m1: { name: 'M' } } } },
    };
    const env = { OPENCODE_CONFIG_CONTENT: JSON.stringify(given) };
    const set = variables(spec({ temperature: 0, system_prompt: 'Hi.', max_tokens: 9 }, env));
    expect(set[OUTPUT_LIMIT]).toBe('9');
    expect(JSON.parse(set.OPENCODE_CONFIG_CONTENT ?? '')).toEqual({
      theme: 'x',
      instructions: ['a.md', SYSTEM_PROMPT],
      agent: { build: { prompt: 'p', temperature: 0 }, other: { temperature: 1 } },
      provider: { mock: { options: { apiKey: 'k' }, models: { m1: { name: 'M', temperature: true } } } },
    });
  });

  it('keep a lower limit of the operator', () => {
    const limit = (own: string) => variables(spec({ max_tokens: 50 }, { [OUTPUT_LIMIT]: own }))[OUTPUT_LIMIT];
    expect([limit('20'), limit('80'), limit('0'), limit('many')]).toEqual(['20', '50', '50', '50']);
  });

  it('hold no text of the caller but in JSON', () => {
    const model = '__proto__/"},"share":"auto';
    const set = variables(spec({ temperature: 1 }, {}, { model }));
    const config = JSON.parse(set.OPENCODE_CONFIG_CONTENT ?? '');
    expect(Object.keys(config)).toEqual(['agent', 'provider']);
    expect(Object.keys(config.provider)).toEqual(['__proto__']);
  });

  it('say which configuration is none', () => {
    expect(() => mergedConfig('[]', {})).toThrow('OPENCODE_CONFIG_CONTENT is not a JSON object.');
    expect(() => mergedConfig('{', {})).toThrow('OPENCODE_CONFIG_CONTENT is not a JSON object.');
    expect(mergedConfig(' ', { a: 1 })).toBe('{"a":1}');
  });
});

it('mounts the file of the system prompt, read-only', () => {
  const mounts = spec({ system_prompt: 'Hi.' }, {}, { systemPromptFile: '/s' }).HostConfig?.Mounts;
  expect(mounts).toContainEqual({ Type: 'bind', Source: '/s', Target: SYSTEM_PROMPT, ReadOnly: true });
});

const KNOWN = { model: 'mock/m1' };
it.each([
  [{ system_prompt: 'x' }, {}],
  [{ temperature: 1, max_tokens: 5 }, KNOWN],
  [{ temperature: 1 }, { ...KNOWN, agent: 'plan' }],
  [{ max_tokens: 5 }, { ...KNOWN, agent: 'coder' }],
  [{ max_tokens: 5 }, { model: 'openrouter/openai/gpt-5' }],
  [{ max_tokens: 5 }, { model: 'github-copilot/claude' }],
])('takes %j for %j', (config, target) => {
  expect(() => requireModelConfig(config, target)).not.toThrow();
});

it.each([
  [{ enabled_tools: ['read'] }, KNOWN, 'UNSUPPORTED', '`model_config.enabled_tools` ["read"]'],
  [{ enabled_tools: [] }, KNOWN, 'UNSUPPORTED', '`model_config.enabled_tools` []'],
  [{ temperature: 0 }, {}, 'INVALID_INPUT', '`model_config.temperature` 0 is given without a model'],
  [{ max_tokens: 5 }, {}, 'INVALID_INPUT', '`model_config.max_tokens` 5 is given without a model'],
  [{ temperature: 0 }, { ...KNOWN, agent: 'coder' }, 'UNSUPPORTED', '`agent` "coder"'],
  [{ max_tokens: 5 }, { model: 'openai/gpt-5' }, 'UNSUPPORTED', '`model_config.max_tokens` 5'],
  [{ max_tokens: 5 }, { model: 'github-copilot/gpt-5' }, 'UNSUPPORTED', '`model_config.max_tokens` 5'],
  [{ temperature: 0 }, { model: 'a/{env:KEY}' }, 'INVALID_INPUT', '"a/{env:KEY}" contains a brace'],
  [{ temperature: 0 }, { model: 'a/{file:/etc/passwd}' }, 'INVALID_INPUT', 'contains a brace'],
])('refuses %j for %j by name', (config, target, code, message) => {
  expect(() => requireModelConfig(config, target)).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringContaining(message),
      next: expect.stringMatching(/\w/),
    }),
  );
});

describe('the real OpenCode with these variables', () => {
  let model: ScriptedModel;
  beforeAll(async () => {
    model = await startScriptedModel();
  });
  afterAll(() => model.close());

  it('sends the settings to the model', async () => {
    await using root = await tempDir('model-settings-');
    const paths = { prompt: join(root.path, 'system.md'), own: join(root.path, 'own.md') };
    await writeFile(paths.prompt, 'SPEAK LIKE {env:HOME} A SAILOR');
    await writeFile(paths.own, 'OF THE OPERATOR');
    const folder = join(root.path, 'config', 'opencode');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'opencode.json'), JSON.stringify({ instructions: [paths.own] }));
    const env = hermeticHome(root.path, model.url);
    const settings = { temperature: 0.25, max_tokens: 77, system_prompt: 'as in the file' };
    const { [OUTPUT_LIMIT]: limit = '', OPENCODE_CONFIG_CONTENT: content = '' } = variables(
      spec(settings, env),
    );
    const child = spawn(
      findOpenCode(undefined, process.env.PATH),
      ['run', '--format', 'json', '--title', 't'],
      {
        cwd: root.path,
        env: {
          ...env,
          [OUTPUT_LIMIT]: limit,
          OPENCODE_CONFIG_CONTENT: content.replace(SYSTEM_PROMPT, paths.prompt),
        },
      },
    );
    child.stdin.end(scriptText([subagent([{ text: 'part' }]), { text: 'Done.' }]));
    const [out] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const seen = model.requests.map(({ temperature, maxTokens, messages }) => {
      const system = JSON.stringify(messages.filter(({ role }) => role === 'system'));
      const has = ['SPEAK LIKE {env:HOME} A SAILOR', 'OF THE OPERATOR'].every((it) => system.includes(it));
      return { temperature, maxTokens, has };
    });
    // The subagent in between is another agent: it has its own temperature.
    const own = { temperature: 0.25, maxTokens: 77, has: true };
    expect(seen, out).toEqual([own, { ...own, temperature: undefined }, own]);
  });
});
