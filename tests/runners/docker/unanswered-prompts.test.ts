import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { textOf } from '../../../src/cli/demo/scripted-model/chat.ts';
import { scriptText } from '../../../src/cli/demo/scripted-model/script.ts';
import { unansweredPrompts } from '../../../src/runners/docker/unanswered-prompts.ts';
import { type DockerBridge, engine, startScriptedDockerBridge } from '../../support/docker.ts';
import { tempDir } from '../../support/temp.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

/** Kills itself a given number of times before OpenCode starts; then it is OpenCode. */
const DIES = `#!/bin/sh
deaths=$(cat deaths)
[ "$deaths" = 0 ] && PATH=/usr/local/bin:/usr/bin:/bin exec opencode "$@"
echo $((deaths - 1)) > deaths
kill -KILL $$
`;

/** A folder whose OpenCode dies this often, and a bridge whose containers run that one. */
async function dying(deaths: number, policy: 'continue' | 'fail') {
  const folder = await tempDir('dying-');
  const bin = join(folder.path, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'opencode'), DIES, { mode: 0o755 });
  await writeFile(join(folder.path, 'deaths'), `${deaths}`);
  await chmod(join(folder.path, 'deaths'), 0o666);
  const bridge = await startScriptedDockerBridge({
    roots: [tmpdir()],
    recovery: { policy, max: 5 },
    variables: { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin` },
  });
  const close = async () => {
    await bridge.close();
    await folder.remove();
  };
  return { bridge, directory: folder.path, [Symbol.asyncDispose]: close };
}

/** The user messages that the model got, one for each prompt. */
const userMessages = ({ model }: DockerBridge, text: string): string[] => {
  const request = model.requests.findLast(({ messages }) =>
    messages.some((each) => textOf(each).includes(text)),
  );
  return (request?.messages ?? []).filter(({ role }) => role === 'user').map(textOf);
};
const SCRIPT = scriptText([{ text: 'Said at last.' }]);

describe('prompts that no session has answered', () => {
  it('are repeated in order, each once, however often the container dies before its first line', async () => {
    await using set = await dying(3, 'continue');
    const { bridge, directory } = set;
    const task = await bridge.start([], { description: `Find the crocus. ${SCRIPT}`, directory });
    await bridge.until(task, ({ kind }) => kind === 'attached');
    await bridge.execution.message(task, 'human', 'And the second thing.', 'queue');
    const ended = await bridge.end(task);
    expect(ended, JSON.stringify(bridge.events(task), undefined, 1)).toMatchObject({ status: 'completed' });
    const [first = '', ...others] = userMessages(bridge, 'Find the crocus.');
    expect(others).toEqual([]);
    expect(first.match(/Find the crocus/g)).toHaveLength(1);
    expect(first.match(/And the second thing/g)).toHaveLength(1);
    expect(first.match(/The program you run in was restarted/g)).toHaveLength(3);
    expect(first.indexOf('Find the crocus')).toBeLessThan(first.indexOf('And the second thing'));
    expect(first.indexOf('Find the crocus')).toBeLessThan(first.indexOf('The program'));
  });

  it('are repeated by the task that continues a failed one', async () => {
    await using set = await dying(1, 'fail');
    const { bridge, directory } = set;
    const first = await bridge.run([], { description: `Find the tulip. ${SCRIPT}`, directory });
    expect(first).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
    const second = await bridge.run([], { description: 'Please go on.', continueTaskId: first.id });
    expect(second).toMatchObject({ status: 'completed' });
    expect(userMessages(bridge, 'Find the tulip')).toEqual([`Find the tulip. ${SCRIPT}\n\nPlease go on.`]);
    const third = await bridge.run([], { description: 'And on.', continueTaskId: second.id });
    expect(third).toMatchObject({ status: 'completed' });
    expect(userMessages(bridge, 'And on.').at(-1)).toBe('And on.');
  });

  it('are repeated in a session that has answered the prompts before them', async () => {
    await using set = await dying(0, 'continue');
    const { bridge, directory } = set;
    const first = await bridge.run([], { description: `Find the lily. ${SCRIPT}`, directory });
    await writeFile(join(directory, 'deaths'), '2');
    const second = await bridge.run([], { description: 'Water it.', continueTaskId: first.id });
    expect(second).toMatchObject({ status: 'completed' });
    const [one, two = '', ...others] = userMessages(bridge, 'Water it.');
    expect(one).toBe(`Find the lily. ${SCRIPT}`);
    expect(two.match(/Water it/g)).toHaveLength(1);
    expect(two).toMatch(/^Water it\.\n\nThe program/);
    expect(others).toEqual([]);
  });

  it('are those after the last answered prompt', () => {
    const [one, two, three] = ['1', '2', '3'].map((id) => ({ id, text: `text ${id}` }));
    const prompts = [one, two, three].filter((each) => each !== undefined);
    expect(unansweredPrompts(prompts, undefined)).toEqual(prompts);
    expect(unansweredPrompts(prompts, { session: 's', prompt: '1' })).toEqual([two, three]);
    expect(unansweredPrompts(prompts, { session: 's', prompt: '3' })).toEqual([]);
    // The last prompt is of a removed task: all others came later.
    expect(unansweredPrompts(prompts, { session: 's', prompt: '0' })).toEqual(prompts);
    // Earlier versions did not store the prompt.
    expect(unansweredPrompts(prompts, { session: 's' })).toEqual([]);
  });
});
