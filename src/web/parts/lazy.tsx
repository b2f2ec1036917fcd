import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

/** A component whose code is loaded when it is shown for the first time. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const loaded = signal<{ Component: ComponentType<P> } | undefined>(undefined);
  const failed = signal(false);
  return function Lazy(props: P) {
    useLayoutEffect(() => {
      if (loaded.value) return;
      failed.value = false;
      load().then(
        (Component) => {
          loaded.value = { Component };
        },
        () => {
          failed.value = true;
        },
      );
    }, []);
    if (failed.value) return <p role="alert">This part could not be loaded. Reload the page.</p>;
    if (!loaded.value) return <p class="muted">Loading…</p>;
    return <loaded.value.Component {...props} />;
  };
}
