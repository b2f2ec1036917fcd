import { z } from 'zod';

const PartSchema = z.looseObject({ type: z.string(), text: z.string().optional() });

const MessageSchema = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(PartSchema), z.null()]).optional(),
});

/** The part of an OpenAI chat-completions request that the scripted model reads. */
export const ChatRequestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(MessageSchema).min(1),
  stream: z.boolean().optional(),
  temperature: z.number().optional(),
  max_tokens: z.number().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).optional(),
});

export type ChatMessage = z.infer<typeof MessageSchema>;

/** The text parts of a message, joined by newlines; the reminders OpenCode adds as parts are left out. */
export function textOf(message: ChatMessage): string {
  if (typeof message.content === 'string') return message.content;
  return (message.content ?? [])
    .map((part) => part.text ?? '')
    .filter((text) => text !== '' && !text.startsWith('<system-reminder>'))
    .join('\n');
}
