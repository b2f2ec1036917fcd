export { viewEvent } from '../tasks/view-event.ts';
