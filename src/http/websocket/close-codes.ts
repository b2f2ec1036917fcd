/** Why a WebSocket is closed. Codes from 4000 are the application's own (RFC 6455, section 7.4.2). */
export const CLOSE_CODES = {
  ended: { code: 1000, about: 'The task has ended, and its last event was sent.' },
  stopping: { code: 1001, about: 'The bridge stops. Connect again with `after_seq`.' },
  tooLarge: { code: 1009, about: 'A frame of the client was larger than MCP_MAX_BODY_BYTES.' },
  failed: { code: 1011, about: 'The bridge failed; its log has the cause. Connect again with `after_seq`.' },
  gone: { code: 4404, about: 'The task was removed.' },
  slow: { code: 4408, about: 'The client read too slowly. Connect again with `after_seq`; nothing is lost.' },
} as const;

export type CloseReason = keyof typeof CLOSE_CODES;
