import { once } from 'node:events';
import { get } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { allRoutes } from '../../src/http/all-routes.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { startPageServer } from '../web/browser.ts';
import { startApi } from './rest.ts';
import { startServer } from './server.ts';

const ALL_ROUTES = allRoutes();
const DOCUMENT = openApiDocument(ALL_ROUTES);
const OPERATIONS = Object.entries(DOCUMENT.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
);

test('it is valid OpenAPI 3.1, and every reference leads to something', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(DOCUMENT));
  expect(errors).toBeUndefined();
  expect([valid, validator.version]).toEqual([true, '3.1']);
  const references = [...JSON.stringify(DOCUMENT).matchAll(/#\/components\/(\w+)\/(\w+)/g)];
  expect(references.length).toBeGreaterThan(50);
  const { components } = DOCUMENT;
  const known = new Map(Object.entries(components).map(([kind, those]) => [kind, Object.keys(those)]));
  expect(references.filter(([, kind = '', id = '']) => !known.get(kind)?.includes(id))).toEqual([]);
  const used = new Set(references.map(([, , id]) => id));
  expect(Object.keys(components.schemas).filter((id) => !used.has(id))).toEqual([]);
});

test('it has every route and nothing else', () => {
  expect(OPERATIONS.map(({ name }) => name).sort()).toEqual(
    ALL_ROUTES.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  expect(new Set(ALL_ROUTES.map(({ operationId }) => operationId)).size).toBe(ALL_ROUTES.length);
});

test('it says of every operation, parameter and field what it is', () => {
  const silent: string[] = [];
  const look = (value: unknown, at: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'properties') {
        for (const [name, field] of Object.entries(inner)) {
          if (!describes(field)) silent.push(`${at}.${name}`);
        }
      }
      look(inner, key === 'properties' ? at : `${at}.${key}`);
    }
  };
  look(DOCUMENT.components.schemas, 'schemas');
  for (const { name, operation } of OPERATIONS) {
    expect(operation.summary, name).toBeTruthy();
    for (const parameter of operation.parameters) {
      if (!('$ref' in parameter) && !parameter.description) silent.push(`${name} ${parameter.name}`);
    }
  }
  expect(silent).toEqual([]);
});

/** A constant or an allowed value needs no words. */
function describes(field: unknown): boolean {
  if (typeof field !== 'object' || field === null) return true;
  return 'description' in field || 'const' in field || !('type' in field || '$ref' in field);
}

test('every path parameter is one of the route', () => {
  for (const { path, params } of ALL_ROUTES) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect([path, Object.keys(params.shape)]).toEqual([path, named]);
  }
});

test('it is served to everybody, and only once to who has it', async () => {
  await using server = await startPageServer({ tokens: [{ token: 'a-secret-token' }] });
  const url = `${server.http.url}/openapi.json`;
  const first = await fetch(url);
  expect(first.status).toBe(200);
  expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(first.headers.get('content-encoding')).toBe('gzip');
  expect(await first.json()).toEqual(JSON.parse(JSON.stringify(DOCUMENT)));
  const etag = first.headers.get('etag') ?? '';
  // Not with fetch, which asks for a fresh copy if it sends a condition.
  const again = get(url, { headers: { 'if-none-match': etag } });
  const [{ statusCode }] = await once(again, 'response');
  again.destroy();
  expect(statusCode).toBe(304);
  const head = await fetch(url, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  const options = await fetch(url, { method: 'OPTIONS' });
  expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  const post = await fetch(url, { method: 'POST' });
  expect([post.status, post.headers.get('content-type')]).toEqual([
    405,
    'application/problem+json; charset=utf-8',
  ]);
});

test('pages of allowed origins can read it, others cannot, and it counts towards the rate', async () => {
  await using server = await startServer({ allowedOrigins: ['https://ui.example'], rateLimit: 2 });
  const url = `${server.http.url}/openapi.json`;
  const own = await fetch(url, { headers: { origin: 'https://ui.example' } });
  expect([own.status, own.headers.get('access-control-allow-origin')]).toEqual([200, 'https://ui.example']);
  expect((await fetch(url, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(url)).status).toBe(429);
});

test('a bridge that stops refuses tasks as it is described: 503, and when to try again', async () => {
  await using server = await startApi();
  await server.bridge.execution.close(0);
  const answer = await server.api.post('/tasks/execute', { task_description: 'x' });
  expect(answer).toMatchObject({ status: 503, body: { code: 'SHUTTING_DOWN', retry_after_seconds: 60 } });
  expect(answer.headers.get('retry-after')).toBe('60');
});
