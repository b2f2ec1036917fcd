import { randomUUID } from 'node:crypto';
import type { Answer } from '../../../src/cli/demo/scripted-model/answer.ts';
import { piecesOf, tokensOf } from '../../../src/cli/demo/scripted-model/completion.ts';
import type { Step } from '../../../src/cli/demo/scripted-model/script.ts';
import { argumentPieces, piecesOfPart, typedEvent } from './dialect.ts';

/** What a step is in OpenAI's responses. */
export function responseAnswer(step: Step, model: string): Answer {
  const items = itemsOf(step);
  const reason = incompleteReason(step);
  const status = reason === undefined ? 'completed' : 'incomplete';
  const head = {
    id: `resp_${randomUUID()}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    model,
    error: null,
    incomplete_details: null,
    parallel_tool_calls: true,
    store: false,
  };
  const begun = { ...head, status: 'in_progress', output: [], usage: null };
  const ended = {
    ...head,
    status,
    incomplete_details: reason === undefined ? null : { reason },
    output: items.map((item) => item.done),
    usage: usageOf(step),
  };
  const event = numberedEvents();
  return {
    opening: [
      event('response.created', { response: begun }),
      event('response.in_progress', { response: begun }),
    ],
    deltas: items.flatMap((item, output_index) => eventsOf(item, output_index, event)),
    closing: [event(`response.${status}`, { response: ended })],
    error: (message) => event('error', { code: 'server_error', message, param: null }),
    whole: () => ended,
  };
}

type Event = (type: string, data: object) => string;

/** Every event has the number after that of the one before. */
function numberedEvents(): Event {
  let sequence_number = 0;
  return (type, data) => typedEvent(type, { sequence_number: sequence_number++, ...data });
}

/** An item of the output: as it is added, as it is done, and the events between by their type. */
interface Item {
  id: string;
  added: object;
  begin: [type: string, data: object][];
  deltas: [type: string, data: object][];
  end: [type: string, data: object][];
  done: object;
}

function itemsOf(step: Step): Item[] {
  const { reasoning, text, tools = [] } = step;
  return [
    ...(reasoning ? [reasoningItem(reasoning)] : []),
    ...(text ? [messageItem(text, piecesOf(step))] : []),
    ...tools.map(callItem),
  ];
}

function reasoningItem(text: string): Item {
  const id = `rs_${randomUUID()}`;
  const at = { summary_index: 0 };
  const part = { type: 'summary_text', text };
  return {
    id,
    added: { type: 'reasoning', summary: [] },
    begin: [['response.reasoning_summary_part.added', { ...at, part: { ...part, text: '' } }]],
    deltas: [['response.reasoning_summary_text.delta', { ...at, delta: text }]],
    end: [
      ['response.reasoning_summary_text.done', { ...at, text }],
      ['response.reasoning_summary_part.done', { ...at, part }],
    ],
    done: { type: 'reasoning', id, summary: [part] },
  };
}

function messageItem(text: string, pieces: string[]): Item {
  const id = `msg_${randomUUID()}`;
  const at = { content_index: 0 };
  const part = { type: 'output_text', text, annotations: [] };
  const head = { type: 'message', role: 'assistant' };
  return {
    id,
    added: { ...head, status: 'in_progress', content: [] },
    begin: [['response.content_part.added', { ...at, part: { ...part, text: '' } }]],
    deltas: pieces.map((delta) => ['response.output_text.delta', { ...at, delta }]),
    end: [
      ['response.output_text.done', { ...at, text }],
      ['response.content_part.done', { ...at, part }],
    ],
    done: { ...head, id, status: 'completed', content: [part] },
  };
}

function callItem({ name, args }: { name: string; args: object }): Item {
  const id = `fc_${randomUUID()}`;
  const head = { type: 'function_call', call_id: `call_${randomUUID()}`, name };
  const json = JSON.stringify(args);
  return {
    id,
    added: { ...head, status: 'in_progress', arguments: '' },
    begin: [],
    deltas: argumentPieces(args).map((delta) => ['response.function_call_arguments.delta', { delta }]),
    end: [['response.function_call_arguments.done', { arguments: json }]],
    done: { ...head, id, status: 'completed', arguments: json },
  };
}

function eventsOf(
  { id, added, begin, deltas, end, done }: Item,
  output_index: number,
  event: Event,
): string[] {
  const inItem = ([type, data]: [string, object]) => event(type, { item_id: id, output_index, ...data });
  return piecesOfPart(
    [event('response.output_item.added', { output_index, item: { ...added, id } }), ...begin.map(inItem)],
    deltas.map(inItem),
    [...end.map(inItem), event('response.output_item.done', { output_index, item: done })],
  );
}

function incompleteReason({ finish }: Step): string | undefined {
  if (finish === 'length') return 'max_output_tokens';
  return finish === 'content_filter' ? finish : undefined;
}

function usageOf(step: Step): object {
  const { input, output, cacheRead, cacheWrite, reasoning } = tokensOf(step);
  const input_tokens = input + cacheRead + cacheWrite;
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: cacheRead },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input_tokens + output,
  };
}
