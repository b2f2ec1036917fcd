import type { Entry } from './bundle.ts';

/** The HTML of every page; links are relative, so that it works below any path. `depth`: folders below the root. */
export function pageHtml({ script, style, icon, preload }: Entry, depth: number): string {
  const assets = `${depth === 0 ? './' : '../'.repeat(depth)}assets`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>letta-opencode</title>
<link rel="icon" type="image/svg+xml" href="${assets}/${icon}">
<link rel="stylesheet" href="${assets}/${style}">
${preload.map((name) => `<link rel="modulepreload" href="${assets}/${name}">\n`).join('')}<script type="module" src="${assets}/${script}"></script>
</head>
<body>
<noscript>This page needs JavaScript. The task API does not: docs/api.md.</noscript>
</body>
</html>
`;
}
