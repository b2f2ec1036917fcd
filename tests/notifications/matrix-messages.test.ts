import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { edit, inThread, message } from '../../src/matrix/content.ts';
import { bold, code, lines, quoted, type Rich, rich, words } from '../../src/matrix/rich.ts';
import * as messages from '../../src/notifications/matrix/messages.ts';
import type { EventOf, InputRequest, TaskEventBody } from '../../src/tasks/events.ts';
import { apply, type Task } from '../../src/tasks/task.ts';
import { halvesIn } from '../support/well-formed.ts';
import { created } from '../tasks/created.ts';

const MOST_BYTES = 60_000;
const TAGS = /<(?:br\/|\/?strong|\/?code|\/?blockquote)>/g;
const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

/** What somebody reads who sees the HTML form, with quotes as the plain form has them. */
function read(html: string): string {
  const text = (part: string) =>
    part
      .replaceAll('<br/>', '\n')
      .replace(TAGS, '')
      .replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
  return html
    .split(/<blockquote>(.*?)<\/blockquote>/s)
    .map((part, index) => (index % 2 === 1 ? text(part).replaceAll(/^/gm, '> ') : text(part)))
    .join('');
}

/** Pieces of which a text is as dangerous as can be. */
const piece = fc.constantFrom(
  ...[
    '<',
    '>',
    '&',
    '"',
    "'",
    '\n',
    '\r',
    '\t',
    '\0',
    '> ',
    '</blockquote>',
    '<b>',
    '<br/>',
    '&lt;',
    '&#39;',
  ],
  ...[
    '<script>alert(1)</script>',
    '\u202e',
    '\u2028',
    '\ud800',
    '\udc00',
    '\u{1f600}',
    'ä',
    '\u00a0',
    'word ',
  ],
);
const hostile = fc.oneof(
  fc.string({ unit: piece, maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const long = fc.tuple(hostile, fc.integer({ min: 1, max: 4_000 })).map(([text, times]) => text.repeat(times));

const changed = (path: string) => ({ path, change: 'modified' as const, additions: 3, deletions: 1 });
const ending = (text: string, files: string[]) =>
  fc.constantFrom<TaskEventBody>(
    {
      kind: 'completed',
      result: {
        summary: text,
        files_changed: files.map(changed),
        files_changed_total: files.length,
        finish: 'stop',
      },
    },
    { kind: 'failed', error: { code: 'TASK_FAILED', message: text } },
    { kind: 'cancelled', by: text, reason: text },
  );

/** A task that has ended, of which every word is somebody else's. */
const tasks = (text: fc.Arbitrary<string>) =>
  fc
    .record({
      description: text,
      agent_id: text,
      directory: text,
      end: text,
      files: fc.array(text, { maxLength: 40 }),
    })
    .chain(({ end, files, ...fields }) => ending(end, files).map((last) => taskOf(created(fields), last)));

function taskOf(...bodies: TaskEventBody[]): Task {
  let task: Task | undefined;
  for (const [index, body] of bodies.entries())
    task = apply(task, { ...body, taskId: 'task_1', seq: index + 1, at: index });
  if (!task) throw new Error('a task is created');
  return task;
}

const requests = (text: fc.Arbitrary<string>): fc.Arbitrary<InputRequest> =>
  fc.record({
    id: fc.constant('req_1'),
    type: fc.constantFrom('permission' as const, 'question' as const),
    title: text,
    permission: text,
    patterns: fc.array(text, { maxLength: 20 }),
    questions: fc.array(
      fc.record({
        header: text,
        question: text,
        options: fc.array(fc.record({ label: text, description: text }), { maxLength: 30 }),
      }),
      { maxLength: 12 },
    ),
    session_id: fc.constant('ses_1'),
  });

const closed = (text: fc.Arbitrary<string>): fc.Arbitrary<EventOf<'request_closed'>> =>
  fc.record({
    kind: fc.constant('request_closed' as const),
    request_id: fc.constant('req_1'),
    by: text,
    reply: text,
    message: text,
  });

/** Everything that the bridge may say of such a task. */
const said = (text: fc.Arbitrary<string>): fc.Arbitrary<Rich> =>
  fc.oneof(
    fc
      .tuple(tasks(text), fc.array(text, { maxLength: 5 }), fc.array(text, { maxLength: 100 }))
      .map(([task, steps, remarks]) => messages.card(task, steps, remarks)),
    tasks(text).map(messages.outcome),
    requests(text).map(messages.request),
    fc.tuple(text, closed(text)).map(([title, event]) => messages.closedRequest(title, event)),
    text.map((words) => messages.warning({ kind: 'warning', code: 'CODE', message: words })),
  );

const bytes = (content: object) => Buffer.byteLength(JSON.stringify(content));

describe('words in both forms', () => {
  it.each<[string, Rich, Rich]>([
    ['a line', words('a < b\n& "c"'), { plain: 'a < b\n& "c"', html: 'a &lt; b<br/>&amp; &quot;c&quot;' }],
    ['bold', bold('<b>'), { plain: '<b>', html: '<strong>&lt;b&gt;</strong>' }],
    ['code', code("it's"), { plain: "it's", html: '<code>it&#39;s</code>' }],
    ['a quote', quoted('a\n<b>'), { plain: '> a\n> <b>', html: '<blockquote>a<br/>&lt;b&gt;</blockquote>' }],
    [
      'fixed words with values',
      rich`${'<'}${1} of ${bold('&')}.`,
      { plain: '<1 of &.', html: '&lt;1 of <strong>&amp;</strong>.' },
    ],
    [
      'lines, without those that are absent',
      lines(words('a'), undefined, false, words('b')),
      { plain: 'a\nb', html: 'a<br/>b' },
    ],
    [
      'what cannot be seen, left out',
      words('a\u0007\r\u202e\u2066\ud800b\tc'),
      { plain: 'ab\tc', html: 'ab\tc' },
    ],
  ])('%s', (_, made, expected) => {
    expect(made).toEqual(expected);
  });
});

describe('what is said of a task', () => {
  it('has no markup but its own, however hostile the words are', () => {
    fc.assert(
      fc.property(said(hostile), ({ html }) => {
        expect(html.replace(TAGS, '')).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
        const open: string[] = [];
        for (const [tag] of html.matchAll(TAGS)) {
          if (tag.startsWith('</')) expect(open.pop()).toBe(tag.replace('/', ''));
          else if (tag !== '<br/>') open.push(tag);
        }
        expect(open).toEqual([]);
      }),
    );
  });

  it('says the same in both forms', () => {
    fc.assert(
      fc.property(said(hostile), ({ plain, html }) => {
        expect(read(html)).toBe(plain);
      }),
    );
  });

  it('fits into an event, however much it is: as a message, in a thread, as an edit', () => {
    const userIds = Array.from({ length: 100 }, (_, n) => `@${n}${'x'.repeat(240)}:mx.test`);
    const msgtype = fc.constantFrom('m.text' as const, 'm.notice' as const);
    fc.assert(
      fc.property(said(long), msgtype, fc.constantFrom([], userIds), (words, msgtype, mentions) => {
        const mark = { task_id: 'task_1', event_type: 'created', seq: 1 };
        const content = message({ msgtype, words, mark, mentions });
        const eventId = `$${'e'.repeat(43)}`;
        for (const sent of [content, inThread(content, eventId), edit(content, eventId)]) {
          expect(bytes(sent)).toBeLessThanOrEqual(MOST_BYTES);
          expect(halvesIn(sent)).toBeUndefined();
        }
        expect(content).toMatchObject({
          msgtype,
          'io.letta.task': mark,
          'm.mentions': mentions.length ? { user_ids: userIds } : {},
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe('a message', () => {
  const mark = undefined;
  const sent = (length: number) =>
    message({ msgtype: 'm.text', words: words('a&'.repeat(length / 2)), mark });

  it('has both forms where both fit', () => {
    expect(sent(1_000)).toMatchObject({ body: 'a&'.repeat(500), formatted_body: 'a&amp;'.repeat(500) });
  });

  it('has the plain form alone where both are too much', () => {
    expect(sent(20_000)).toEqual({ msgtype: 'm.text', body: 'a&'.repeat(10_000), 'm.mentions': {} });
  });

  it('is cut, and says so, where even that is too much', () => {
    const { body } = z.object({ body: z.string() }).parse(sent(80_000));
    expect('a&'.repeat(40_000).startsWith(body.slice(0, -1))).toBe(true);
    expect(body).toMatch(/^.{9000,}…$/);
  });
});
