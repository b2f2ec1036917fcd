import { z } from 'zod';

/** What a caller sets of a task's model, besides which model it is. */
export const modelConfigSchema = z
  .object({
    temperature: z.number().optional().describe("Temperature of the model, for the task's own agent."),
    max_tokens: z.number().int().positive().optional().describe('Output tokens of one answer at most.'),
    system_prompt: z.string().optional().describe("Text that is added to the agent's system prompt."),
    enabled_tools: z.array(z.string()).optional().describe('The only tools that the agent has.'),
  })
  .meta({ title: 'model settings' });
export type ModelConfig = z.infer<typeof modelConfigSchema>;
