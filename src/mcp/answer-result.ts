import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { ToolAnswer } from './tool.ts';

/** The result of a call that went well. What the caller should know besides stands in both forms. */
export function answerResult({ structured, text, hint }: ToolAnswer, hints: readonly string[]): CallToolResult {
  const said = [...hints, ...(hint === undefined ? [] : [hint])].join(' ');
  if (said === '') return { content: [{ type: 'text', text }], structuredContent: structured };
  return { content: [{ type: 'text', text: `${said}\n${text}` }], structuredContent: { ...structured, hint: said } };
}
