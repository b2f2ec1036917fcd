const JSON_TYPE = 'application/json';
export const DIFF_TYPE = 'text/x-diff';

/** The template whose `path` can be completed. */
export const FILE_TEMPLATE = 'task://{id}/files/{+path}';

/** What can be read of each task. */
export const TEMPLATES = [
  {
    uriTemplate: 'task://{id}',
    name: 'task',
    title: 'Status of a task',
    description: 'Where a task stands: status, open requests, usage, result, last events, what to do next.',
    mimeType: JSON_TYPE,
  },
  {
    uriTemplate: 'task://{id}/events{?after}',
    name: 'task-events',
    title: 'Events of a task',
    description:
      'What happened, in order: at most 100 events after number `after`, and the URI of the next page.',
    mimeType: JSON_TYPE,
  },
  {
    uriTemplate: 'task://{id}/result',
    name: 'task-result',
    title: 'Result of a task',
    description: 'Summary, changed files, error and usage once it has ended; before that its status alone.',
    mimeType: JSON_TYPE,
  },
  {
    uriTemplate: 'task://{id}/diff',
    name: 'task-diff',
    title: 'Changes of a task',
    description: 'What a task changed in its folder, as a unified diff.',
    mimeType: DIFF_TYPE,
  },
  {
    uriTemplate: FILE_TEMPLATE,
    name: 'task-file',
    title: 'File of a task',
    description:
      'A file in the folder of a task, by its path in that folder; bytes that are no text come as Base64.',
  },
] as const;
