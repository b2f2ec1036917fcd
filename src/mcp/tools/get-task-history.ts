import { z } from 'zod';
import { viewEvent } from '../../api/event-view.ts';
import { agentId, taskId } from '../../api/inputs.ts';
import { jsonSize, rowsThatFit } from '../../api/pages.ts';
import { shrink } from '../../api/shrink.ts';
import { iso } from '../../api/task-view.ts';
import { BridgeError } from '../../errors.ts';
import { describeEvent } from '../../tasks/describe-event.ts';
import type { Task } from '../../tasks/task.ts';
import { cutWithLength } from '../../text.ts';
import { CONTENT_PAGE, MAX_ANSWER } from '../answer-limits.ts';
import { defineTool, hint, READ_ONLY, type ToolServices } from '../tool.ts';

const PAGE = 1_000;
/** Characters of the events of one answer, in both forms together; of one event; of the artifacts, in each form. */
const MAX_EVENTS = 64_000;
const MAX_EVENT = 16_000;
const MAX_ARTIFACTS = 12_000;

/** What happened to a task, from its log, page by page. */
export const getTaskHistory = defineTool({
  name: 'get_task_history',
  title: 'Task history',
  description: 'Events of a task. next_after_seq is after_seq of the next page.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    events_limit: z.int().min(-1).max(PAGE).default(100).describe('Default 100; -1: all that fit'),
    events_offset: z.int().min(0).optional(),
    after_seq: z.int().min(0).optional(),
    include_artifacts: z.boolean().default(false),
  }),
  output: z.object({
    task_id: z.string(),
    events: z.array(z.looseObject({ seq: z.number(), at: z.string(), kind: z.string() })),
    total: z.number(),
    next_after_seq: z.number().optional(),
    artifacts: z.array(z.unknown()).optional(),
    hint,
  }),
  annotations: READ_ONLY,
  claude: { searchHint: 'coding task log', maxResultSizeChars: MAX_ANSWER },
  async run({ task_id, events_limit, events_offset, after_seq, include_artifacts }, call) {
    const { services } = call;
    const task = await services.execution.find(call.agentId(), task_id);
    if (events_offset !== undefined && after_seq !== undefined) throw oneCursor(events_offset, after_seq);
    // Within a task, seq counts from 1 without holes: to skip n events is to start behind seq n.
    const after = after_seq ?? events_offset ?? 0;
    const page = await pageOf(task, after, events_limit < 0 ? PAGE : events_limit, services);
    const last = page.at(-1)?.seq ?? after;
    const all = include_artifacts ? ((await services.block(task_id))?.artifacts ?? []) : undefined;
    const artifacts = all && shrink(rowsThatFit(all, MAX_ARTIFACTS), MAX_ARTIFACTS);
    const structured = {
      task_id,
      events: page.map(({ shown }) => shown),
      total: task.lastSeq,
      next_after_seq: last < task.lastSeq ? last : undefined,
      artifacts,
    };
    const more = structured.next_after_seq === undefined ? '' : `\nMore: call again with after_seq ${last}.`;
    const lines = page.map(({ line, shown }) => (events_limit === 1 ? wholeEvent(shown) : line));
    if (artifacts) lines.push(`Artifacts: ${JSON.stringify(artifacts)}`);
    const hints = [
      ...(page.some(({ shown }) => shown.truncated) ? [CUT_EVENTS] : []),
      ...(jsonSize(artifacts ?? []) < jsonSize(all ?? []) ? ['Not all artifacts are shown.'] : []),
    ];
    return {
      structured,
      text: `Task ${task_id}, ${task.lastSeq} events:\n${lines.join('\n')}${more}`,
      hint: hints.join(' ') || undefined,
      whole: events_limit === 1,
    };
  },
});

const CUT_EVENTS =
  'Events with truncated are cut: events_limit 1 with the after_seq before gives one of them whole.';

/** For who reads the text alone: as much of one event as stands in both forms. */
function wholeEvent(event: object): string {
  return cutWithLength(JSON.stringify(event), CONTENT_PAGE);
}

/** As many events as fit into one answer, at least one; one alone is never cut. */
async function pageOf(task: Task, after: number, limit: number, { execution }: ToolServices) {
  const rows = (await execution.events(task, after, limit)).map((event) => {
    const flat = viewEvent(event);
    const line = `${event.seq} ${iso(event.at)} ${describeEvent(event) ?? event.kind}`;
    const isLong = limit !== 1 && jsonSize(flat) > MAX_EVENT;
    const shown = { ...(isLong ? shrink(flat, MAX_EVENT) : flat), truncated: isLong || undefined };
    return { seq: event.seq, line, shown };
  });
  return rowsThatFit(rows, MAX_EVENTS, ({ line, shown }) => line.length + jsonSize(shown));
}

function oneCursor(offset: number, afterSeq: number): BridgeError {
  return new BridgeError(
    'INVALID_INPUT',
    `\`events_offset\` ${offset} and \`after_seq\` ${afterSeq} are both given.`,
    { next: 'Give one of them; after_seq is the cursor that an answer returns.' },
  );
}
