/** A part whose text grows: the model's text, or the output of a running tool. */
export interface LivePart {
  kind: 'text' | 'tool_output';
  /** The `part_id` or `call_id` of the event that finishes it. */
  id: string;
  /** Whether it is a subagent's. */
  child: boolean;
}

/**
 * Takes the text of unfinished parts while somebody follows the task. After the event that finishes a part was emitted,
 * nothing of the part may come.
 */
export interface LiveSink {
  /** Whether anybody follows. If not, the other methods need not be called. */
  readonly wanted: boolean;
  /** A part begins, without text. A part that is first heard of by `append` began unseen. */
  begin(part: LivePart): void;
  append(part: LivePart, text: string): void;
  /** The part's whole text so far; `isEnd`: only the end of it, because it is long. */
  show(part: LivePart, text: string, isEnd: boolean): void;
  /** Text of any part may have been lost. */
  gap(): void;
  /** A part is finished for which no event is emitted. */
  end(part: LivePart): void;
}
