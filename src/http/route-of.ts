import type { Request } from 'express';

/** What no route takes. */
const NONE = 'none';

/** The route as it is written, such as `/tasks/:task_id`: a path has ids and names of files in it. */
export function routeOf({ route }: Request): string {
  const path: unknown = route?.path;
  return typeof path === 'string' ? path : NONE;
}
