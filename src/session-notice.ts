/** The end of a turn in an OpenCode session that does not belong to a task of the bridge. */
export interface SessionNotice {
  /** The same for every repeat of this notice. */
  id: string;
  kind: 'idle' | 'error';
  sessionId: string;
  title?: string | undefined;
  directory?: string | undefined;
  /** The files that the turn edited, at most 100; relative to the directory if they are in it. */
  files: readonly string[];
  /** How many more there were. */
  moreFiles?: number | undefined;
  /** The last text of the agent, or the error. */
  text?: string | undefined;
}

/** Where session notices are delivered. */
export interface SessionNoticeSink {
  /** Rejects if the notice cannot be delivered; with a BridgeError if the caller may see the reason. */
  notify(notice: SessionNotice, signal: AbortSignal): Promise<void>;
}
