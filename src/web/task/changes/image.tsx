import { useEffect, useState } from 'preact/hooks';
import { formatBytes } from '../../parts/bytes.ts';

/**
 * An image of a task. An SVG runs nothing as `img`, but would as a page: so its address is given up as soon as it is
 * shown, and cannot be opened in a window of its own.
 */
export function Image({ content, size, name }: { content: Blob; size: number; name: string }) {
  const [url, setUrl] = useState<string | undefined>();
  const [shown, setShown] = useState<string | undefined>();
  useEffect(() => {
    const made = URL.createObjectURL(content);
    setUrl(made);
    setShown(undefined);
    return () => URL.revokeObjectURL(made);
  }, [content]);
  const onLoad = ({
    currentTarget: { naturalWidth, naturalHeight, src },
  }: {
    currentTarget: HTMLImageElement;
  }) => {
    URL.revokeObjectURL(src);
    setShown(`${naturalWidth} × ${naturalHeight}, ${formatBytes(size)}`);
  };
  if (!url) return null;
  return (
    <figure class="image">
      <img
        src={url}
        alt={name}
        onLoad={onLoad}
        onError={() => setShown(`No image that this browser knows, ${formatBytes(size)}`)}
      />
      <figcaption class="muted">{shown}</figcaption>
    </figure>
  );
}
