import { describe, expect, it } from 'vitest';
import { answersTo, howToAnswer } from '../../src/matrix/inbound/answers.ts';
import {
  type Command,
  type Context,
  commandOf,
  commandOfReaction,
} from '../../src/matrix/inbound/command.ts';
import type { InputRequest } from '../../src/tasks/events.ts';

const TALK: Context = { task: false };
const TASK: Context = { task: true };
const PERMISSION: Context = { task: true, request: { type: 'permission' } };
const QUESTION: Context = { task: true, request: { type: 'question' } };
const CLOSED: Context = { task: true, request: 'closed' };
const once: Command = { do: 'permit', reply: 'once' };
const always: Command = { do: 'permit', reply: 'always' };
const deny = (why?: string): Command => ({ do: 'permit', reply: 'reject', why });
const say = (text: string): Command => ({ do: 'say', text });
const QUOTED = '> <@ann:example.org> bash: rm -r build\n> \n> Reply allow or no\n\n';

describe('a message', () => {
  it.each<[body: string, where: Context, means: Command | undefined]>([
    ['!status', TALK, { do: 'status' }],
    [' !STATUS \n', TASK, { do: 'status' }],
    ['!status please', TASK, { do: 'status' }],
    ['!cancel', TASK, { do: 'cancel', reason: undefined }],
    ['!cancel  wrong branch,\nsorry ', TASK, { do: 'cancel', reason: 'wrong branch,\nsorry' }],
    ['!Pause lunch', PERMISSION, { do: 'pause', reason: 'lunch' }],
    ['!resume', TASK, { do: 'resume', reason: undefined }],
    ['!say use yarn', PERMISSION, say('use yarn')],
    ['!say', TASK, say('')],
    ['!say !cancel is a word', TASK, say('!cancel is a word')],
    ['!allow', TASK, once],
    ['!always', QUESTION, always],
    ['!deny', TASK, deny()],
    ['!deny not in main', PERMISSION, deny('not in main')],
    ['!answer 2', TASK, { do: 'answer', text: '2' }],
    ['!answer', TASK, { do: 'answer', text: '' }],
    ['!help', TALK, { do: 'help' }],
    ['!stop', TASK, { do: 'help', unknown: '!stop' }],
    ['!cancelled it', TALK, { do: 'help', unknown: '!cancelled' }],
    ['use yarn', TASK, say('use yarn')],
    ['use yarn', TALK, undefined],
    ['yes', TASK, say('yes')],
    ['wow!', TALK, undefined],
    ['!!', TASK, say('!!')],
    ['! status', TALK, undefined],
    ['5 > 3', TASK, say('5 > 3')],
    ['> quoted by hand\n\nindeed', TASK, say('> quoted by hand\n\nindeed')],
    ['', TASK, undefined],
    ['  \n', PERMISSION, undefined],
    [`${QUOTED}!cancel too long`, TASK, { do: 'cancel', reason: 'too long' }],
    [`${QUOTED}why that?`, TASK, say('why that?')],
    ['> * <@ann:example.org> waves\n\nhello', TASK, say('hello')],
  ])('%j in %j', (body, where, means) => {
    expect(commandOf(body, where)).toEqual(means);
  });
});

describe('a reply to a request', () => {
  it.each<[body: string, where: Context, means: Command | undefined]>([
    ['allow', PERMISSION, once],
    ['Yes.', PERMISSION, once],
    ['OK!', PERMISSION, once],
    ['once ', PERMISSION, once],
    [`${QUOTED}ok`, PERMISSION, once],
    ['ALWAYS', PERMISSION, always],
    ['no', PERMISSION, deny()],
    ['No, use yarn', PERMISSION, deny('use yarn')],
    ['deny: not in main', PERMISSION, deny('not in main')],
    ['reject – wrong\nfolder', PERMISSION, deny('wrong\nfolder')],
    ['no.', PERMISSION, deny()],
    ['nothing of that', PERMISSION, { do: 'unclear' }],
    ['what does it do?', PERMISSION, { do: 'unclear' }],
    ['allowed?', PERMISSION, { do: 'unclear' }],
    ['yes but with care', PERMISSION, { do: 'unclear' }],
    ['1', PERMISSION, { do: 'unclear' }],
    ['2', QUESTION, { do: 'answer', text: '2' }],
    ['no', QUESTION, { do: 'answer', text: 'no' }],
    ['both of them', QUESTION, { do: 'answer', text: 'both of them' }],
    ['yes', CLOSED, once],
    ['no, not that', CLOSED, deny('not that')],
    ['2', CLOSED, { do: 'answer', text: '2' }],
  ])('%j to %j', (body, where, means) => {
    expect(commandOf(body, where)).toEqual(means);
  });
});

describe('a reaction', () => {
  it.each<[key: string, to: Context['request'], means: Command | undefined]>([
    ['✅', { type: 'permission' }, once],
    ['👍', { type: 'permission' }, once],
    ['👍🏽', { type: 'permission' }, once],
    ['👍️', 'closed', once],
    ['♾️', { type: 'permission' }, always],
    ['♾', { type: 'permission' }, always],
    ['🔁', { type: 'permission' }, always],
    ['❌', { type: 'permission' }, deny()],
    ['👎', { type: 'permission' }, deny()],
    ['👎', { type: 'question' }, deny()],
    ['✅', { type: 'question' }, undefined],
    ['1️⃣', { type: 'question' }, { do: 'answer', text: '1' }],
    ['9⃣', { type: 'question' }, { do: 'answer', text: '9' }],
    ['1️⃣', { type: 'permission' }, undefined],
    ['0️⃣', { type: 'question' }, undefined],
    ['1', { type: 'question' }, undefined],
    ['👀', { type: 'permission' }, undefined],
    ['yes', { type: 'permission' }, undefined],
  ])('%s to %j', (key, to, means) => {
    expect(commandOfReaction(key, to)).toEqual(means);
  });
});

const options = (...labels: string[]) => labels.map((label) => ({ label, description: '' }));
const asks = (...questions: NonNullable<InputRequest['questions']>): InputRequest => ({
  id: 'que_1',
  type: 'question',
  title: 'Question',
  session_id: 'ses_1',
  questions,
});
const one = { header: 'Tool', question: 'Which?', options: options('npm', 'Yarn', '8') };
const several = { ...one, multiple: true };
const free = { header: 'Count', question: 'How many?', options: [] };

describe('an answer', () => {
  it.each<[text: string, request: InputRequest, means: string[][]]>([
    ['1', asks(one), [['npm']]],
    [' 2 ', asks(one), [['Yarn']]],
    ['yarn', asks(one), [['Yarn']]],
    ['8', asks(one), [['8']]],
    ['pnpm; or npm', asks(one), [['pnpm; or npm']]],
    ['1, 2', asks(one), [['1, 2']]],
    ['1, yarn,1', asks(several), [['npm', 'Yarn']]],
    ['1, pnpm', asks(several), [['1, pnpm']]],
    ['42', asks(free), [['42']]],
    ['2; 4', asks(one, free), [['Yarn'], ['4']]],
    ['npm ; as you like', asks(one, one), [['npm'], ['as you like']]],
  ])('%j', (text, request, means) => {
    expect(answersTo(request, text)).toEqual(means);
  });

  it.each<[text: string, request: InputRequest, says: string]>([
    ['4', asks(one), 'There is no option 4: the options are 1 to 3.'],
    ['', asks(one), 'The answer is empty.'],
    ['1', asks(one, free), 'There are 2 questions to answer at once.'],
    ['1; 2; 3', asks(one, free), 'There are 2 questions to answer at once.'],
    ['1;', asks(one, free), 'There are 2 questions to answer at once.'],
  ])('%j is refused: %s', (text, request, says) => {
    expect(() => answersTo(request, text)).toThrow(says);
  });

  it('is said how to be given', () => {
    expect(howToAnswer(asks(one))).toBe(
      'Which?\n  1. npm\n  2. Yarn\n  3. 8\nReply with a number or in your own words.',
    );
    expect(howToAnswer(asks(one, free))).toContain('2) How many?\nReply with an answer for each');
    expect(howToAnswer({ id: 'per_1', type: 'permission', title: 'bash', session_id: 's' })).toBe(
      'bash\nReply allow, always or no (with a reason if you like), or react with ✅, 🔁 or ❌.',
    );
  });
});
