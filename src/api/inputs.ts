import { z } from 'zod';

/** Parameters that several tools take. */
export const agentId = z.string().optional();
export const taskId = z.string().min(1).max(200);
export const shortText = z.string().min(1).max(200);
export const reason = z.string().min(1).max(2_000);
export const path = z.string().min(1).max(4_096);
