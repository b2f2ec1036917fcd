// The views of a task that are loaded when one of them is shown. One module: each further one makes esbuild cut what
// they share into more files, and the browser asks for six at a time.
export { Changes } from './changes/changes.tsx';
export { RawEvents } from './raw/raw-events.tsx';
export { Steps } from './steps/steps.tsx';
export { Timeline } from './timeline/timeline.tsx';
