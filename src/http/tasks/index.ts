import type { Route } from '../route.ts';
import { archiveRoute } from './archive.ts';
import { controlRoutes } from './control.ts';
import { diffRoute } from './diff.ts';
import { eventsRoute } from './events.ts';
import { executeRoute } from './execute.ts';
import { fileRoute } from './file.ts';
import { filesRoute } from './files.ts';
import { listRoute } from './list.ts';
import { messageRoute } from './messages.ts';
import { optionsRoute } from './options.ts';
import { removeRoute } from './remove.ts';
import { answerRoute } from './requests.ts';
import { statesRoute } from './states.ts';
import { statusRoute, taskRoute } from './task.ts';
import { ticketRoute } from './tickets.ts';

/** Every route of the task API, in the order of the OpenAPI document. */
export const ROUTES: readonly Route[] = [
  executeRoute,
  listRoute,
  taskRoute,
  statusRoute,
  eventsRoute,
  ...controlRoutes,
  messageRoute,
  answerRoute,
  filesRoute,
  fileRoute,
  diffRoute,
  archiveRoute,
  removeRoute,
  statesRoute,
  optionsRoute,
  ticketRoute,
];
