import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { jsonSize } from '../api/pages.ts';
import { shrink } from '../api/shrink.ts';
import { cutWithLength } from '../text.ts';
import { MAX_ANSWER } from './answer-limits.ts';
import type { ToolAnswer } from './tool.ts';

const CUT = 'Long parts of this answer are cut.';

/** The result of a successful call. Hints are in both forms. */
export function answerResult(answer: ToolAnswer, hints: readonly string[]): CallToolResult {
  const { text, structured, cut } = answer.whole ? { ...answer, cut: [] } : limitSize(answer);
  const hint = [...hints, ...(answer.hint === undefined ? [] : [answer.hint]), ...cut].join(' ');
  if (hint === '') return { content: [{ type: 'text', text }], structuredContent: structured };
  return {
    content: [{ type: 'text', text: `${hint}\n${text}` }],
    structuredContent: { ...structured, hint },
  };
}

/** The last resort against an answer that fills the context; tools with pages limit theirs before. */
function limitSize({ text, structured }: ToolAnswer) {
  if (text.length + jsonSize(structured) <= MAX_ANSWER) return { text, structured, cut: [] };
  return {
    text: cutWithLength(text, MAX_ANSWER / 4),
    structured: shrink(structured, MAX_ANSWER / 2),
    cut: [CUT],
  };
}
