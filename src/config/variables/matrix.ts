import { z } from 'zod';
import { flag, httpUrl, list, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Matrix');
const userId = z.string().regex(/^@[!-9;-~]+:\S+$/, 'must be a user id such as @name:example.org');
const userIds = list.pipe(
  z.array(userId.max(255, 'has a user id of more than 255 characters')).max(50, 'has more than 50 user ids'),
);

export const MATRIX = {
  MATRIX_ENABLED: variable({
    schema: flag,
    default: 'false',
    about: 'Tells people in Matrix what happens to tasks, and lets them steer (docs/matrix.md).',
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
    about: 'The room for all tasks in thread mode. Unset: one is made, with the default observers invited.',
  }),
  MATRIX_DEFAULT_HUMAN_OBSERVERS: variable({
    schema: userIds,
    default: '',
    about: 'User ids, separated by commas, that are invited and told of each task besides those it names.',
  }),
  MATRIX_ALLOWED_SENDERS: variable({
    schema: userIds,
    default: '',
    about: 'User ids that may steer tasks besides everyone with power level 50 and up in the room.',
  }),
  MATRIX_STORAGE_PATH: variable({
    schema: text,
    shown: '`DATA_DIR/matrix.json`',
    about: 'A file in which the bridge keeps how far it has read and the room that it made.',
  }),
};
