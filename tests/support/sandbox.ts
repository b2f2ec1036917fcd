import { detectSandbox } from '../../src/runners/shell/detect-sandbox.ts';
import { tempDir } from './temp.ts';

/** The reason why commands have no sandbox here; undefined where they have one. */
export const noSandbox = await (async () => {
  await using folder = await tempDir('no-sandbox-');
  const found = await detectSandbox('auto', { PATH: process.env.PATH }, folder.path);
  return found.kind === 'bubblewrap' ? undefined : found.reason;
})();
