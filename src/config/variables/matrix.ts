import { z } from 'zod';
import { quote } from '../../errors.ts';
import { matrixUserFault } from '../../matrix/user-id.ts';
import { flag, httpUrl, list, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Matrix');
const MAX_USERS = 50;
const userId = z.string().superRefine((text, { addIssue }) => {
  const fault = matrixUserFault(text);
  if (fault !== undefined) addIssue(fault);
});
const userIds = list.superRefine((ids, { addIssue }) => {
  if (ids.length > MAX_USERS) addIssue(`has ${ids.length} user ids, at most ${MAX_USERS} are taken`);
  for (const id of ids) {
    const fault = matrixUserFault(id);
    if (fault !== undefined) addIssue(`${quote(id)} ${fault}`);
  }
});

export const MATRIX = {
  MATRIX_ENABLED: variable({
    schema: flag,
    default: 'false',
    about: 'Shows tasks to people in Matrix, and lets them steer (docs/matrix.md).',
  }),
  MATRIX_HOMESERVER_URL: variable({
    schema: httpUrl('MATRIX_ACCESS_TOKEN'),
    about: 'The homeserver, such as https://matrix.example.org. Required with MATRIX_ENABLED.',
  }),
  MATRIX_ACCESS_TOKEN: variable({
    schema: text,
    about: 'The access token of MATRIX_USER_ID. Required with MATRIX_ENABLED.',
  }),
  MATRIX_USER_ID: variable({
    schema: userId,
    about: 'The account that the bridge writes as. Required with MATRIX_ENABLED.',
  }),
  MATRIX_ROOM_MODE: variable({
    schema: z.enum(['thread', 'room']),
    default: 'thread',
    about: '`thread`: one room, a thread for each task. `room`: a private room for each task.',
  }),
  MATRIX_ROOM_ID: variable({
    schema: z.string().regex(/^![^\s]+$/, 'must be a room id such as !abc:example.org, not an alias'),
    about:
      'The room for all tasks in thread mode, and for notices of the OpenCode plugin. Unset: the bridge creates one and invites the default observers.',
  }),
  MATRIX_DEFAULT_HUMAN_OBSERVERS: variable({
    schema: userIds,
    default: '',
    about:
      'User ids, comma-separated, to invite and notify for each task, besides the observers that it names.',
  }),
  MATRIX_ALLOWED_SENDERS: variable({
    schema: userIds,
    default: '',
    about:
      'User ids, comma-separated, that may steer tasks, besides everyone with power level 50 and up in the room.',
  }),
  MATRIX_STORAGE_PATH: variable({
    schema: text,
    shown: '`DATA_DIR/matrix.json`',
    about: 'The file in which the bridge stores its sync position.',
  }),
};
