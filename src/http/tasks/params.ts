import { z } from 'zod';
import { shortText, taskId } from '../../api/inputs.ts';

/** Parameters of paths. */
export const taskParams = z.strictObject({ task_id: taskId });
export const requestParams = z.strictObject({ task_id: taskId, request_id: shortText });
