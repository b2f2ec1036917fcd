import type { Entry } from './bundle.ts';

/** How the bridge knows its callers. */
export type Authentication = 'none' | 'token';

/** What the list of tasks asks the bridge for first, from `/` without a filter; as web/tasks/listing.ts writes it. */
const FIRST_TASKS = './tasks?agent_id=*&amp;limit=100';

/** Which page it is the HTML of. */
interface Page {
  /** Folders below the root. */
  depth: number;
  authentication: Authentication;
  /** Whether it shows the list of tasks, without a filter. */
  isList: boolean;
}

/**
 * The HTML of a page; links are relative, so that it works below any path. It says whether a sign-in is needed, so that
 * the page of a bridge without tokens need not ask before it shows anything. There the browser also reads the tasks
 * while it loads the scripts; with tokens it cannot, for no link sends the header with the CSRF token.
 */
export function pageHtml(
  { script, style, icon, preload }: Entry,
  { depth, authentication, isList }: Page,
): string {
  const assets = `${depth === 0 ? './' : '../'.repeat(depth)}assets`;
  // Behind the scripts, which are to come first.
  const tasks =
    isList && authentication === 'none'
      ? `<link rel="preload" as="fetch" crossorigin href="${FIRST_TASKS}">\n`
      : '';
  return `<!doctype html>
<html lang="en" data-authentication="${authentication}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>letta-opencode</title>
<link rel="icon" type="image/svg+xml" href="${assets}/${icon}">
<link rel="stylesheet" href="${assets}/${style}">
${preload.map((name) => `<link rel="modulepreload" href="${assets}/${name}">\n`).join('')}<script type="module" src="${assets}/${script}"></script>
${tasks}</head>
<body>
<noscript>This page needs JavaScript. The task API does not: docs/api.md.</noscript>
</body>
</html>
`;
}
