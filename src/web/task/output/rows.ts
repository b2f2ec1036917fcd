/** What a row is about, for the filter. */
export const ROW_KINDS = ['model', 'tool', 'request', 'message', 'state', 'problem'] as const;
export type RowKind = (typeof ROW_KINDS)[number];

export const SEVERITIES = ['info', 'warning', 'error'] as const;
export type Severity = (typeof SEVERITIES)[number];

interface Row {
  /** The `seq` of the event that began it: unique, rising, kept while the row changes. */
  readonly id: number;
  /** When that was, ISO 8601. */
  readonly at: string;
  readonly kind: RowKind;
  readonly severity: Severity;
  /** The call of the tool `task` to whose subagent it belongs. */
  readonly parent?: string | undefined;
}

/** A text, or something that happened. */
export interface NoteRow extends Row {
  readonly type: 'note';
  readonly tone: 'model' | 'message' | 'ask' | 'state' | 'ok' | 'warning' | 'error';
  /** One line; empty for the text of the model. */
  readonly label: string;
  readonly text: string;
}

/** running → ok or failed; → lost if the task ends before. */
export type CallState = 'running' | 'ok' | 'failed' | 'lost';

/** A call of a tool, from its start to its end. */
export interface ToolRow extends Row {
  readonly type: 'tool';
  readonly callId: string;
  readonly tool: string;
  readonly title: string;
  readonly state: CallState;
  /** The end of what it printed, with its ANSI sequences. */
  readonly text: string;
  readonly exitCode?: number | undefined;
  readonly durationMs?: number | undefined;
}

/** Rows are values: a row that changes is another object with the same id. */
export type LogRow = NoteRow | ToolRow;
