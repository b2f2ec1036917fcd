import { BridgeError } from '../../errors.ts';

/** The user's inline configuration over our defaults. The shell is set here, so that no project's file sets it. */
export function engineConfiguration(
  content: string | undefined,
  defaults: object,
  shell: string | undefined,
): string {
  try {
    const given = content === undefined || content.trim() === '' ? {} : JSON.parse(content);
    return JSON.stringify({ ...defaults, ...given, ...(shell !== undefined && { shell }) });
  } catch (cause) {
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_CONFIG_CONTENT is not JSON.', { cause });
  }
}
