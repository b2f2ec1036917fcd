import { z } from 'zod';
import { agentId } from '../../api/inputs.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

/** Whether the bridge answers. */
export const ping = defineTool({
  name: 'ping',
  title: 'Ping',
  description: 'Is the bridge alive?',
  input: z.strictObject({ agent_id: agentId }),
  output: z.object({ pong: z.boolean(), version: z.string() }),
  annotations: READ_ONLY,
  claude: { searchHint: 'opencode up' },
  run(_, { services: { version } }) {
    return { structured: { pong: true, version }, text: `pong, version ${version}` };
  },
});
