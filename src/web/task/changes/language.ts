const EXTENSIONS: Record<string, string> = {
  bash: 'sh bash zsh',
  c: 'c h',
  cpp: 'cc cpp cxx hh hpp',
  css: 'css scss less',
  diff: 'diff patch',
  dockerfile: 'dockerfile',
  go: 'go',
  ini: 'ini toml cfg conf properties',
  java: 'java kt',
  javascript: 'js jsx mjs cjs',
  json: 'json jsonc jsonl ndjson map',
  makefile: 'mk makefile',
  markdown: 'md markdown',
  python: 'py pyi',
  ruby: 'rb rake gemfile',
  rust: 'rs',
  sql: 'sql',
  typescript: 'ts tsx mts cts',
  xml: 'xml html htm svg xsd xsl vue',
  yaml: 'yaml yml',
};

const BY_EXTENSION = new Map(
  Object.entries(EXTENSIONS).flatMap(([language, extensions]) =>
    extensions.split(' ').map((extension): [string, string] => [extension, language]),
  ),
);

/** The language of a file by its name, as the highlighter calls it; undefined: shown without colours. */
export function languageOf(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return (
    BY_EXTENSION.get(name.slice(name.lastIndexOf('.') + 1)) ?? BY_EXTENSION.get(name.split('.')[0] ?? '')
  );
}
