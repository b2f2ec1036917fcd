import type { Bundle } from './bundle.ts';

/** The HTML of every page; links are relative, so that it works below any path. `depth`: folders below the root. */
export function pageHtml({ script, style, icon }: Bundle, depth: number): string {
  const root = depth === 0 ? './' : '../'.repeat(depth);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>letta-opencode</title>
<link rel="icon" type="image/svg+xml" href="${root}assets/${icon}">
<link rel="stylesheet" href="${root}assets/${style}">
<script type="module" src="${root}assets/${script}"></script>
</head>
<body>
<noscript>This page needs JavaScript. The task API does not: docs/api.md.</noscript>
</body>
</html>
`;
}
