import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { open } from './raw.ts';
import { RestClient, startApi } from './rest.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('a stream of events', () => {
  test('that is cut at any moments and resumed gives each event once', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }), async (cuts) => {
        const id = await api.start();
        const turn = await runner.turnOf(id);
        const seen: number[] = [];
        const follow = async (): Promise<void> => {
          for (const take of [...cuts, Number.POSITIVE_INFINITY]) {
            let taken = 0;
            const after = seen.at(-1);
            const headers = after === undefined ? {} : { 'last-event-id': String(after) };
            const { status } = await api.stream(
              `/tasks/${id}/events`,
              ({ id: seq }) => {
                seen.push(Number(seq));
                taken += 1;
                return taken >= take;
              },
              headers,
            );
            if (status === 204) return;
          }
        };
        const following = follow();
        for (const n of numbers(15)) {
          turn.tool('bash', `step ${n}`);
          if (n % 5 === 0) await pause(1);
        }
        turn.complete('done');
        await following;
        const { body } = await api.get(`/tasks/${id}`);
        expect(seen).toEqual(numbers(body.last_seq));
      }),
      { numRuns: 25 },
    );
  });

  test('begins where it is told to, and shows what is asked for', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const id = await api.start();
    const turn = await runner.turnOf(id);
    turn.tool('bash', 'one');
    turn.emit({ kind: 'warning', code: 'X', message: 'careful' });
    turn.complete('done');
    await api.get(`/tasks/${id}/status?wait_ms=20000`);
    const kinds = async (query: string) => {
      const { events } = await api.stream(`/tasks/${id}/events?${query}`);
      const page = await api.get(`/tasks/${id}/events?${query}`);
      expect(page.body.events).toEqual(events.map(({ data }) => data));
      return events.map(({ data }) => data.kind);
    };
    expect(await kinds('kinds=tool,warning')).toEqual(['tool', 'tool', 'warning']);
    expect(await kinds('severity=warning')).toEqual(['warning']);
    expect((await kinds('after_seq=5'))[0]).not.toBe('created');
    const { last_seq } = (await api.get(`/tasks/${id}`)).body;
    expect((await api.stream(`/tasks/${id}/events?after_seq=${last_seq}`)).status).toBe(204);
    expect((await api.stream(`/tasks/${id}/events`, undefined, { 'last-event-id': 'x' })).status).toBe(400);
    expect((await api.get(`/tasks/${id}/events?kinds=nothing`)).status).toBe(400);
  });

  test('pages go on where the last one ended, and end', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const id = await api.start();
    const turn = await runner.turnOf(id);
    for (const n of numbers(40)) turn.tool('bash', `step ${n}`);
    turn.complete('done');
    await api.get(`/tasks/${id}/status?wait_ms=20000`);
    const seen: number[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const { body } = await api.get(`/tasks/${id}/events?limit=7&kinds=tool&after_seq=${after}`);
      seen.push(...body.events.map(({ seq }: { seq: number }) => seq));
      after = body.next_after_seq;
    }
    const all = await api.get(`/tasks/${id}/events?limit=1000&kinds=tool`);
    expect(seen).toEqual(all.body.events.map(({ seq }: { seq: number }) => seq));
    expect(seen).toHaveLength(80);
  });

  test('200 followers of 20 tasks get every event', async () => {
    await using server = await startApi({ limits: { maxConcurrent: 20 } });
    const { api, runner } = server;
    const ids = await Promise.all(numbers(20).map(() => api.start()));
    const streams = ids.flatMap((id) => numbers(10).map(() => api.stream(`/tasks/${id}/events`)));
    await Promise.all(
      ids.map(async (id) => {
        const turn = await runner.turnOf(id);
        for (const n of numbers(25)) {
          turn.tool('bash', `step ${n}`);
          await pause(1);
        }
        turn.complete('done');
      }),
    );
    for (const { events } of await Promise.all(streams)) {
      expect(events.map(({ id }) => Number(id))).toEqual(numbers(events.length));
      expect(events.at(-1)?.data.kind).toBe('completed');
    }
  });

  test('of a client that reads nothing costs no memory, and the task goes on', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const id = await api.start();
    const turn = await runner.turnOf(id);
    const sockets = numbers(20).map(() => open(server.http.port).pause());
    for (const socket of sockets) {
      socket.write(
        `GET /tasks/${id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
      );
    }
    await pause(50);
    const before = process.memoryUsage().rss;
    const text = 'x'.repeat(10_000);
    for (const n of numbers(2_000)) {
      turn.tool('bash', `step ${n}`, text);
      if (n % 50 === 0) await pause(1);
    }
    turn.complete('done');
    const { body } = await api.get(`/tasks/${id}/status?wait_ms=20000`);
    expect(body.status).toBe('completed');
    // 20 followers × 20 MB would be 400 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    for (const socket of sockets) socket.destroy();
  });

  test('ends when the server stops, and a waiting call answers', async () => {
    const server = await startApi();
    const id = await server.api.start();
    const stream = server.api.stream(`/tasks/${id}/events`);
    const states = server.api.stream('/events');
    const waiting = server.api.get(`/tasks/${id}/status?wait_ms=50000`);
    await vi.waitFor(() => server.runner.turnOf(id), 60_000);
    await server.http.close();
    expect((await stream).events.length).toBeGreaterThan(0);
    expect((await states).events[0]?.data.tasks).toMatchObject([{ task_id: id }]);
    expect((await waiting).body).toMatchObject({ status: 'running' });
    await server[Symbol.asyncDispose]();
  });

  test('has a comment now and then, so that nobody takes it for dead', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      await using server = await startApi();
      const id = await server.api.start();
      const socket = open(server.http.port).setEncoding('utf8');
      let text = '';
      socket.on('data', (chunk: string) => {
        text += chunk;
      });
      socket.write(
        `GET /tasks/${id}/events?after_seq=9999 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
      );
      await vi.waitUntil(() => text.includes('\r\n\r\n'), 60_000);
      vi.advanceTimersByTime(15_000);
      await vi.waitUntil(() => text.includes(':\n\n'), 60_000);
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    } finally {
      vi.useRealTimers();
    }
  });

  test('belongs to its agent alone', async () => {
    await using server = await startApi();
    const id = await server.api.start();
    const other = new RestClient(server.http.url, { 'x-agent-id': 'other' });
    expect((await other.stream(`/tasks/${id}/events`)).status).toBe(404);
  });
});
