import { randomUUID } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { CredentialProxy } from '../credential-proxy/credential-proxy.ts';
import { providerBlocks } from '../credential-proxy/provider-blocks.ts';
import type { ProxyTokens } from '../credential-proxy/proxy-tokens.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ProviderKeys } from '../provider-keys/provider-keys.ts';
import { requestRouter } from '../proxy.ts';
import type { ProviderAccess } from '../runners/opencode-protocol/provider-blocks.ts';
import type { EventLog } from '../store/event-log.ts';
import { type Providers, providersWithKeys } from './providers.ts';
import type { Release } from './release.ts';

export interface ProxyParts {
  config: Config;
  keys: ProviderKeys;
  log: EventLog;
  onBudgetSpent: (taskId: string, tokens: number) => void;
  releases: Release[];
  logger: Logger;
}

/** How OpenCode reaches providers: through the proxy, or with the keys. */
export async function openProviders(parts: ProxyParts): Promise<Providers> {
  if (!parts.config.providers.proxy.enabled) return providersWithKeys(parts.keys);
  const proxy = new ProviderProxy(parts);
  // Now, because it may start later than what uses it, and must end after that.
  parts.releases.push(() => proxy.close());
  await proxy.startEarly();
  return proxy;
}

/** The proxy that calls providers for OpenCode. It is started when it is first needed, and once. */
class ProviderProxy implements Providers {
  readonly #parts: ProxyParts;
  readonly #serverId = randomUUID();
  #started: Promise<{ proxy: CredentialProxy; tokens: ProxyTokens; url: string }> | undefined;

  constructor(parts: ProxyParts) {
    this.#parts = parts;
  }

  /** Starts it for the containers of an earlier process; a failure is reported again when a task needs it. */
  async startEarly(): Promise<void> {
    const { keys, logger } = this.#parts;
    if (keys.list().length === 0) return;
    await this.#start().catch((thrown) =>
      logger.warn({ err: messageOf(thrown) }, 'the credential proxy is not started yet'),
    );
  }

  /** OpenCode's configuration for one task, whose model is `provider/model`. */
  forTask = async (taskId: string, model: string | undefined): Promise<ProviderAccess> => {
    if (this.#parts.keys.list().length === 0) return { blocks: {} };
    const { tokens, url } = await this.#start();
    return this.#access(url, tokens.make({ kind: 'task', taskId }), model);
  };

  /** OpenCode's configuration for the server of this process. */
  forServer = async (): Promise<ProviderAccess> => {
    if (this.#parts.keys.list().length === 0) return { blocks: {} };
    const { tokens, url } = await this.#start();
    return this.#access(url, tokens.make({ kind: 'server', serverId: this.#serverId }));
  };

  async close(): Promise<void> {
    const started = await this.#started?.catch(() => undefined);
    await started?.proxy.close();
  }

  #access(url: string, token: string, model?: string): ProviderAccess {
    const blocks = providerBlocks(this.#parts.keys.all(), {
      address: ({ id }) => `${url}/${id}`,
      key: () => token,
      model,
    });
    return { blocks, proxyHost: new URL(url).hostname };
  }

  /** A failure is not kept: Docker may not answer yet. */
  #start() {
    this.#started ??= this.#listen().catch((thrown) => {
      this.#started = undefined;
      throw thrown;
    });
    return this.#started;
  }

  async #listen() {
    const { config, keys, log, onBudgetSpent, logger } = this.#parts;
    const { host, port, url } = config.providers.proxy;
    const { CredentialProxy } = await import('../credential-proxy/credential-proxy.ts');
    const { ProxyTokens } = await import('../credential-proxy/proxy-tokens.ts');
    const { proxySecret } = await import('../credential-proxy/proxy-secret.ts');
    const tokens = new ProxyTokens(proxySecret(config.dataDir));
    const address = host ?? (await addressFor(config));
    const proxy = new CredentialProxy({
      host: address,
      port,
      keys,
      tokens,
      log,
      onBudgetSpent,
      serverId: this.#serverId,
      router: requestRouter(config.proxies),
      logger,
    });
    await proxy.start();
    const reached = url ?? `http://${address.includes(':') ? `[${address}]` : address}:${proxy.port}`;
    logger.info({ url: reached }, 'the credential proxy listens');
    return { proxy, tokens, url: reached };
  }
}

/** Where OpenCode reaches this machine: an embedded server by loopback, a container by the gateway of its network. */
async function addressFor({ openCode, docker, providers }: Config): Promise<string> {
  if (openCode.enabled) return '127.0.0.1';
  const { DockerClient } = await import('../runners/docker/docker-client.ts');
  const { gatewayOf } = await import('../runners/docker/gateway.ts');
  // With an address that an operator gives for containers, it may be any of this machine.
  if (providers.proxy.url !== undefined) return '0.0.0.0';
  return gatewayOf(new DockerClient(docker.host), docker.limits.network);
}
