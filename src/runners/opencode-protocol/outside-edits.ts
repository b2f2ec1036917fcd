import { isAbsolute, relative, sep } from 'node:path';
import { z } from 'zod';
import type { PermissionAsked } from './wire.ts';

/** OpenCode's permission to edit files, and that to work outside of a session's folder. */
export const EDIT = 'edit';
export const EXTERNAL_DIRECTORY = 'external_directory';

/** The metadata by which the tools `write`, `edit` and `apply_patch` name the files they are about to write. */
const edited = z.object({
  filepath: z.string().optional(),
  files: z.array(z.object({ filePath: z.string(), movePath: z.string().optional() })).optional(),
});

/** A permission as the task shows it: an edit outside of the directory is shown as work outside. */
export function asShown(asked: PermissionAsked, directory: string): PermissionAsked {
  const paths = editedOutside(asked, directory);
  if (paths.length === 0) return asked;
  const metadata = { command: `edit ${paths.join(', ')}` };
  return { ...asked, permission: EXTERNAL_DIRECTORY, patterns: paths, metadata };
}

/** The paths outside of a directory that an edit is about to write. */
function editedOutside({ permission, metadata }: PermissionAsked, directory: string): string[] {
  if (permission !== EDIT) return [];
  const { filepath, files } = edited.safeParse(metadata).data ?? {};
  const paths = files?.flatMap(({ filePath, movePath }) => [filePath, movePath ?? filePath]) ?? [];
  if (files === undefined && filepath !== undefined) paths.push(filepath);
  return [...new Set(paths)].filter((path) => {
    const toPath = relative(directory, path);
    return isAbsolute(path) && (toPath === '..' || toPath.startsWith(`..${sep}`));
  });
}
