import type { Pod } from './pod.ts';
import type { Container, Probe } from './pod-spec.ts';

/** One probe of a container, from the node as kubelet does it: by the address of the pod, or in the container. */
export async function probe(
  pod: Pod,
  container: Container,
  { httpGet, exec, timeoutSeconds }: Probe,
): Promise<boolean> {
  if (exec) return (await pod.exec(container.name, exec.command, timeoutSeconds * 1000))?.code === 0;
  const port = container.ports.find(({ name }) => name === httpGet?.port)?.containerPort;
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  return fetch(`http://${pod.ip}:${port}${httpGet?.path}`, { signal, redirect: 'manual' }).then(
    ({ status }) => status >= 200 && status < 400,
    () => false,
  );
}
