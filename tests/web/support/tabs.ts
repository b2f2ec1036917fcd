/** The views of a task. */
export const TABS = [
  { id: 'output', name: 'Output' },
  { id: 'changes', name: 'Changes' },
  { id: 'steps', name: 'Steps' },
  { id: 'timeline', name: 'Timeline' },
  { id: 'raw', name: 'Raw events' },
] as const;
