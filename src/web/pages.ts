// The pages that the list of tasks does not need to be there: a fifth of the code is enough for its first picture.
export { NewTaskPage } from './new-task/new-task-page.tsx';
export { SystemPage } from './system/system-page.tsx';
export { TaskPage } from './task/task-page.tsx';
