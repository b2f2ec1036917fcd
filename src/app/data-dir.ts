// How the commands lock DATA_DIR: only the composition root knows which store is used.
export { type DataDirLock, lockDataDir } from '../store/sqlite/data-dir-lock.ts';
