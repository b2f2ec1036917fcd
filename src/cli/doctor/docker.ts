import { BridgeError } from '../../errors.ts';
import { buildCommand, DockerClient } from '../../runners/docker/docker-client.ts';
import { type Check, type Finding, failed } from './check.ts';

/** The Docker Engine, the image of task containers, and the limits that this host can enforce. */
export const dockerEngine: Check = async ({ docker: { host, limits } }) => {
  const check = 'Docker Engine';
  try {
    const engine = new DockerClient(host);
    const { version, apiVersion, unsupported } = await engine.info();
    const detail = `${version}, API ${apiVersion} (${host})`;
    const image = await engine.hasImage(limits.image);
    return [{ check, status: 'ok', detail }, imageRow(limits.image, image), ...unsupported.map(boundRow)];
  } catch (thrown) {
    if (!(thrown instanceof BridgeError)) throw thrown;
    return [failed(check, thrown)];
  }
};

/** Without a provider's key no model can be called. */
export const passedVariables: Check = async ({ docker: { limits }, providers }) => {
  const check = 'RUNNER_ENV_PASSTHROUGH';
  const proxied = providers.proxy.enabled ? Object.keys(providers.environment) : [];
  if (proxied.length > 0) {
    const detail = `the credential proxy has the keys of ${proxied.join(', ')}; no container has them`;
    return [{ check: 'provider keys', status: 'ok', detail }];
  }
  const names = Object.keys(limits.env);
  if (names.length > 0) return [{ check, status: 'ok', detail: `containers get ${names.join(', ')}` }];
  const next =
    'Set ANTHROPIC_API_KEY or another key of docs/provider-keys.md, or name variables with keys here.';
  return [{ check, status: 'warn', detail: 'containers get no variable of this environment', next }];
};

function imageRow(image: string, there: boolean): Finding {
  const check = 'RUNNER_IMAGE';
  if (there) return { check, status: 'ok', detail: image };
  const next = `Build it: ${buildCommand(image)}; or pull it.`;
  return { check, status: 'fail', detail: `Docker has no image ${image}`, next };
}

function boundRow(what: string): Finding {
  const next = 'Turn the cgroup controller on for this host; until then that limit is not enforced.';
  return {
    check: 'limits',
    status: 'warn',
    detail: `this host cannot limit the ${what} of a container`,
    next,
  };
}
