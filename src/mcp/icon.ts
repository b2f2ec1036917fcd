/** The icon of the page, for clients that show one; the package has no file of it under a fixed name. */
const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><title>letta-opencode</title><rect width="16" height="16" rx="3" fill="#0b5cc4"/><path d="M4 5l3 3-3 3M8.5 11h4" fill="none" stroke="#fff" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/></svg>';

/**
 * As data, since the bridge does not know under which address its clients see it. Sent once in each session; answers
 * of 2026-07-28 repeat the server's information every time, so there it would be paid for in each of them.
 */
export const ICONS = [
  {
    src: `data:image/svg+xml;base64,${Buffer.from(SVG).toString('base64')}`,
    mimeType: 'image/svg+xml',
    sizes: ['any'],
  },
];
