import { isAbsolute, relative, sep } from 'node:path';
import { z } from 'zod';
import { BridgeError } from '../../errors.ts';
import type { TaskRequest } from '../../tasks/events.ts';
import type { RequestAnswer } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import { permissionRequest } from './translate.ts';
import type { PermissionAsked } from './wire.ts';

/** As the tools `write`, `edit` and `apply_patch` name what they are about to write. */
const edited = z.object({
  filepath: z.string().optional(),
  files: z.array(z.object({ filePath: z.string(), movePath: z.string().optional() })).optional(),
});

/** What the sessions of one task ask for. An edit outside its folder is presented as what it is, work outside. */
export class AskedPermissions {
  readonly #api: OpenCodeApi;
  readonly #directory: string;
  readonly #asksOutside: boolean;
  readonly #outside = new Set<string>();

  /** `asksOutside`: the sessions have rules by which OpenCode asks for such edits. */
  constructor(api: OpenCodeApi, directory: string, asksOutside: boolean) {
    this.#api = api;
    this.#directory = directory;
    this.#asksOutside = asksOutside;
  }

  readonly request = (asked: PermissionAsked): TaskRequest => {
    const paths = this.#asksOutside ? editedOutside(asked, this.#directory) : [];
    if (paths.length === 0) return permissionRequest(asked);
    this.#outside.add(asked.id);
    const metadata = { command: `edit ${paths.join(', ')}` };
    return permissionRequest({ ...asked, permission: 'external_directory', patterns: paths, metadata });
  };

  /** Throws REQUEST_CLOSED where OpenCode no longer waits for it. */
  async answer(requestId: string, answer: RequestAnswer): Promise<void> {
    try {
      if (answer.type === 'question') {
        await this.#api.replyQuestion(requestId, this.#directory, answer.answers);
        return;
      }
      // OpenCode would take "always" for all edits, of all sessions in the folder.
      const once = answer.reply === 'always' && this.#outside.has(requestId);
      const reply = once ? 'once' : answer.reply;
      await this.#api.replyPermission(requestId, this.#directory, reply, answer.message);
    } catch (thrown) {
      if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_NOT_FOUND')) throw thrown;
      throw new BridgeError('REQUEST_CLOSED', `Request "${requestId}" is no longer open in OpenCode.`, {
        cause: thrown,
      });
    }
  }
}

/** The paths outside of a directory that an edit is about to write. */
function editedOutside({ permission, metadata }: PermissionAsked, directory: string): string[] {
  if (permission !== 'edit') return [];
  const { filepath, files } = edited.safeParse(metadata).data ?? {};
  const paths = files?.flatMap(({ filePath, movePath }) => [filePath, movePath ?? filePath]) ?? [];
  if (files === undefined && filepath !== undefined) paths.push(filepath);
  return [...new Set(paths)].filter((path) => {
    const way = relative(directory, path);
    return isAbsolute(path) && (way === '..' || way.startsWith(`..${sep}`));
  });
}
