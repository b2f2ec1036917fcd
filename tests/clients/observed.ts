import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { z } from 'zod';
import type { Sent } from './recording-proxy.ts';

const FOLDER = join(import.meta.dirname, '../../docs/clients');
const META = 'io.modelcontextprotocol';

/** What a test saw of a client; docs/clients.md shows it as a row. */
interface Seen {
  client: string;
  /** As its package states it. */
  version: string;
  /** How it reaches the bridge. */
  transport: 'http' | 'stdio';
  sent: readonly Sent[];
  /** Which form of an answer its model is given; absent: the program that uses it decides. */
  content?: 'structured' | 'text';
  /** Whether its next call after a restart of the bridge is answered; or why that cannot be asked. */
  restart: boolean | 'one run';
  /** Whether its agent was woken by the result of a task. */
  woken?: true;
}

/** Compares it with what is committed as docs/clients/<id>.json; `vitest -u` writes it. */
export async function expectObserved(id: string, seen: Seen): Promise<void> {
  const { client, version, transport, sent, content = 'both', restart } = seen;
  const can = capabilitiesOf(sent);
  const asked = (prefix: string) => yesNo(sent.some(({ method }) => method.startsWith(prefix)));
  const facts = {
    client,
    version,
    transport,
    protocol: protocolOf(sent),
    tasks: seen.woken ? 'used, and the result wakes the agent' : yesNo(can.includes('tasks')),
    elicitation: yesNo(can.includes('elicitation')),
    resources: asked('resources/'),
    prompts: asked('prompts/'),
    progress: yesNo(sent.some(({ method, params }) => method === 'tools/call' && hasProgress(params))),
    content,
    restart: typeof restart === 'string' ? restart : yesNo(restart),
  };
  await expect(`${JSON.stringify(facts, null, 2)}\n`).toMatchFileSnapshot(join(FOLDER, `${id}.json`));
}

/** The version of a package that the tests run with. */
export function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../../node_modules', name, 'package.json');
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}

function yesNo(is: boolean): 'yes' | 'no' {
  return is ? 'yes' : 'no';
}

const MetaSchema = z.looseObject({
  progressToken: z.union([z.string(), z.number()]).optional(),
  [`${META}/clientCapabilities`]: z.record(z.string(), z.unknown()).optional(),
});

function metaOf(params: Record<string, unknown>): z.infer<typeof MetaSchema> {
  return MetaSchema.safeParse(params._meta).data ?? {};
}

function hasProgress(params: Record<string, unknown>): boolean {
  return metaOf(params).progressToken !== undefined;
}

/** The names of what it declared in any message, extensions by the last part of their name. */
function capabilitiesOf(sent: readonly Sent[]): string[] {
  return sent.flatMap(({ method, params }) => {
    const declared =
      method === 'initialize' ? params.capabilities : metaOf(params)[`${META}/clientCapabilities`];
    const { extensions, ...own } = z.record(z.string(), z.unknown()).safeParse(declared).data ?? {};
    const further = Object.keys(z.record(z.string(), z.unknown()).safeParse(extensions).data ?? {});
    return [...Object.keys(own), ...further.map((name) => name.split('/').at(-1) ?? '')];
  });
}

/** The revision of its last message, which both agreed on; over stdio, where none is named, the one it began with. */
function protocolOf(sent: readonly Sent[]): string {
  const versions = sent.map(({ headers }) => headers['mcp-protocol-version']?.toString());
  const asked = sent.find(({ method }) => method === 'initialize')?.params.protocolVersion;
  return versions.findLast((version) => version !== undefined) ?? String(asked);
}
