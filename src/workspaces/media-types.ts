import { extname } from 'node:path';

const GROUPS: Record<string, string> = {
  'application/gzip': 'gz tgz',
  'application/json': 'json map',
  'application/pdf': 'pdf',
  'application/sql': 'sql',
  'application/toml': 'toml',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/wasm': 'wasm',
  'application/x-ndjson': 'ndjson jsonl',
  'application/x-sh': 'sh bash',
  'application/x-tar': 'tar',
  'application/xml': 'xml xsd xsl',
  'application/yaml': 'yaml yml',
  'application/zip': 'zip jar whl',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'font/ttf': 'ttf',
  'font/woff2': 'woff2',
  'image/gif': 'gif',
  'image/jpeg': 'jpg jpeg',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/webp': 'webp',
  'image/x-icon': 'ico',
  'text/css': 'css',
  'text/csv': 'csv',
  'text/html': 'html htm',
  'text/javascript': 'js mjs cjs',
  'text/markdown': 'md markdown',
  'text/tab-separated-values': 'tsv',
  'text/x-c': 'c h',
  'text/x-go': 'go',
  'text/x-java': 'java',
  'text/x-python': 'py',
  'text/x-rust': 'rs',
  'text/x-typescript': 'ts tsx mts cts',
  'video/mp4': 'mp4',
};

const BY_EXTENSION = new Map(
  Object.entries(GROUPS).flatMap(([type, extensions]) =>
    extensions.split(' ').map((extension): [string, string] => [`.${extension}`, type]),
  ),
);

/** The media type by file extension; else that of plain text or of bytes. */
export function mediaTypeOf(path: string, isText: boolean): string {
  return (
    BY_EXTENSION.get(extname(path).toLowerCase()) ?? (isText ? 'text/plain' : 'application/octet-stream')
  );
}
