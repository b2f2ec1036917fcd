/** Undoes something that was acquired. */
export type Release = () => Promise<void> | void;
