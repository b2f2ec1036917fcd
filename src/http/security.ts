import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import type { Request, RequestHandler, Response } from 'express';
import { BridgeError, quote } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import { sendError } from './errors.ts';
import { addressOf, RateLimit, rateLimited } from './rate-limit.ts';
import { readForId } from './refused-body.ts';

export interface AccessRules {
  /** The address that the server listens on. */
  host: string;
  allowedHosts: readonly string[];
  allowedOrigins: readonly string[];
}

export interface BoundToken {
  token: string;
  /** The only agent that its bearer can be; absent: any. */
  agentId?: string | undefined;
  /** Counts only for callers on this machine. */
  local?: boolean;
}

const GUESSES_PER_MINUTE = 30;
/** Addresses, each with a token, that are remembered to have used it. */
const MAX_SEEN = 10_000;

/**
 * Refuses a Host header that is not one of ours: behind it may be a page that rebound its name to this machine.
 * Beyond loopback any literal address is let in, because a rebound name never is one.
 */
export function checkHost({ host, allowedHosts }: AccessRules): RequestHandler {
  const allowed = new Set(allowedHosts.map(hostnameOf));
  const literals = !isLoopback(host);
  return (req, res, next) => {
    const [given, ...others] = req.headersDistinct.host ?? [];
    // Of two, a proxy in front may have looked at the other one.
    const name = given === undefined || others.length > 0 ? undefined : hostnameOf(given);
    const ours =
      name !== undefined &&
      (isLoopback(name) || allowed.has(name) || (literals && isIP(name.replace(/^\[|\]$/g, '')) > 0));
    if (ours) return next();
    const message = `Host ${[given, ...others].map((host) => quote(host)).join(', ')} is not a name of this server.`;
    sendError(req, res, refused(message, 'MCP_ALLOWED_HOSTS'));
  };
}

/** Refuses requests of web pages from elsewhere; lets the allowed ones read the answers (CORS). */
export function checkOrigin({ host, allowedOrigins }: AccessRules): RequestHandler {
  const allowed = new Set(allowedOrigins.map(originOf));
  const local = isLoopback(host);
  return (req, res, next) => {
    const given = req.headers.origin;
    if (given === undefined) return next();
    const origin = originOf(given);
    const ours = origin !== undefined && (allowed.has(origin) || (local && isLoopbackPage(origin)));
    if (!ours)
      return sendError(req, res, refused(`Origin ${quote(given)} may not call.`, 'MCP_ALLOWED_ORIGINS'));
    allowPage(req, res, given);
    if (req.method === 'OPTIONS') res.status(204).end();
    else next();
  };
}

/**
 * Lets only bearers of a token in, and tells MCP which agent a token is bound to. Without tokens, everybody.
 * An address that has guessed too often is told nothing more, unless with a token that it has used before: so
 * guesses behind a proxy do not lock out those who work through it.
 */
export function bearerAuth(tokens: readonly BoundToken[]): RequestHandler {
  if (tokens.length === 0) return (_req, _res, next) => next();
  const known = tokens.map(({ token, ...rest }) => ({ hash: sha256(token), ...rest }));
  const guesses = new RateLimit(GUESSES_PER_MINUTE);
  const seen = new Set<string>();
  return (req, res, next) => {
    const token = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1];
    if (token === undefined) return refuseToken(req, res, 'A bearer token is needed.');
    const hash = sha256(token);
    // All of them, so that the time tells nothing about which one it was.
    const [match] = known
      .filter((it) => timingSafeEqual(it.hash, hash))
      .filter(({ local }) => !local || isFromHere(req.socket));
    const address = addressOf(req);
    const credential = hash.toString('hex');
    const use = `${address} ${credential}`;
    const wait = match ? guesses.wait(address) : guesses.take(address);
    if (wait !== undefined && !(match && seen.has(use))) {
      const message = `More than ${GUESSES_PER_MINUTE} tokens a minute that are not known here came from ${address}.`;
      return sendError(req, res, rateLimited(message, wait));
    }
    if (!match) return refuseToken(req, res, 'The bearer token is not known here.');
    if (seen.size >= MAX_SEEN) seen.clear();
    seen.add(use);
    authOf.set(req, { auth: authInfo(match.agentId), credential });
    next();
  };
}

function refuseToken(req: Request, res: Response, message: string): void {
  res.set('WWW-Authenticate', 'Bearer');
  const next = 'Send the header "Authorization: Bearer <token>" with a token of MCP_AUTH_TOKENS.';
  readForId(req, res, () => sendError(req, res, new BridgeError('UNAUTHORIZED', message, { next })));
}

/** What `bearerAuth` found out about a request; nothing where no tokens are configured. */
export function authenticated(req: Request): { auth?: AuthInfo; credential?: string } {
  return authOf.get(req) ?? {};
}

const authOf = new WeakMap<Request, { auth: AuthInfo; credential: string }>();

function authInfo(agentId: string | undefined): AuthInfo {
  return { token: '<redacted>', clientId: agentId ?? 'any agent', scopes: [], extra: { agentId } };
}

function allowPage(req: Request, res: Response, origin: string): void {
  res.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': 'Mcp-Session-Id' });
  res.vary('Origin');
  if (req.method !== 'OPTIONS') return;
  res.set({
    'Access-Control-Allow-Methods': 'GET, POST, DELETE',
    'Access-Control-Allow-Headers':
      'Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, X-Agent-Id',
  });
}

function refused(message: string, variable: string): BridgeError {
  return new BridgeError('FORBIDDEN', message, { next: `The operator can allow it with ${variable}.` });
}

/** The ends of a connection. */
interface Addresses {
  remoteAddress?: string | undefined;
  localAddress?: string | undefined;
}

/** Whether this machine called itself, be it by loopback or by an address of its own. */
export function isFromHere({ remoteAddress = '', localAddress }: Addresses): boolean {
  return isLoopback(remoteAddress) || (remoteAddress !== '' && remoteAddress === localAddress);
}

function isLoopbackPage(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && isLoopback(hostname);
}

/** The host name of a Host header, in one spelling and without a port; undefined where it is none. */
function hostnameOf(host: string): string | undefined {
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname;
}

/** An origin in one spelling; undefined where it is none, such as "null". */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { origin, protocol, host } = new URL(text);
  // Schemes such as chrome-extension: have no origin for URL, but one for browsers.
  return origin !== 'null' ? origin : host === '' ? undefined : `${protocol}//${host}`;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
