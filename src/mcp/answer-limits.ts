/** Most characters of an answer, both forms together; about 25,000 tokens. */
export const MAX_ANSWER = 100_000;
/**
 * Bytes of content in one answer. They are in both forms, because some clients show their model only the text,
 * others only the structured content.
 */
export const CONTENT_PAGE = 24_000;
/** Bytes of a patch, which follows a list. */
export const PATCH_PAGE = 16_000;
/** JSON characters of the rows of a list in one answer; the text form is shorter. */
export const ROWS_PAGE = 16_000;
