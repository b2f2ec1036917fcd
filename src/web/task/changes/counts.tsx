interface CountsProps {
  additions: number | undefined;
  deletions: number | undefined;
}

/** Lines added and deleted; nothing for a binary file. */
export function Counts({ additions, deletions }: CountsProps) {
  if (additions === undefined && deletions === undefined) return null;
  return (
    <span class="counts number">
      {additions ? <span class="plus">+{additions.toLocaleString()}</span> : null}
      {deletions ? <span class="minus">−{deletions.toLocaleString()}</span> : null}
    </span>
  );
}
