import { describe, expect, it } from 'vitest';
import { type ContainerExit, turnOutcome } from '../../../src/runners/docker/outcome.ts';
import type { RunReport } from '../../../src/runners/docker/run-report.ts';

const end = (exitCode: number, oomKilled = false): ContainerExit => ({ exitCode, oomKilled });
const found = (findings: Partial<RunReport>): RunReport => ({
  summary: 'words',
  rejectedPermissions: [],
  ...findings,
});
const apiError = (statusCode: number) => ({ name: 'APIError', data: { message: 'no', statusCode } });

describe('a turn is completed', () => {
  it.each([
    ['the model ended and so did the container', { finish: 'stop' }, end(0)],
    ['the model ended, whatever the exit code says', { finish: 'stop' }, end(1)],
    ['it was killed after its last word', { finish: 'stop' }, end(137)],
    ['it was removed after its last word', { finish: 'stop' }, undefined],
    ['a command of it ran out of memory, but not OpenCode', { finish: 'stop' }, end(0, true)],
  ])('%s', (_, findings, container) => {
    expect(turnOutcome(found(findings), container, 'img')).toEqual({
      kind: 'completed',
      summary: 'words',
      finish: 'stop',
    });
  });
});

describe('a turn has failed', () => {
  it.each([
    ['AGENT_NOT_FOUND', { unknownAgent: 'x', finish: 'stop' }, end(0), /"x"/],
    ['TURN_STOPPED', { rejectedPermissions: ['bash (rm)'], finish: 'tool-calls' }, end(0), /bash \(rm\)/],
    ['TURN_STOPPED', { finish: 'tool-calls' }, end(0), /after a tool call/],
    ['OUTPUT_LIMIT', { finish: 'length' }, end(0), /output limit/],
    ['PROVIDER_AUTH', { error: apiError(401) }, end(1), /401/],
    ['PROVIDER_ERROR', { error: apiError(400), finish: 'stop' }, end(0), /400/],
    ['OUT_OF_MEMORY', { finish: 'tool-calls' }, end(137, true), /RUNNER_MEMORY_LIMIT/],
    ['ENGINE_LOST', { finish: 'tool-calls' }, end(137), /exit code 137/],
    ['ENGINE_LOST', {}, end(143), /exit code 143/],
    ['ENGINE_LOST', {}, undefined, /is gone/],
    [
      'ENGINE_UNAVAILABLE',
      { lastPlainLine: 'sh: opencode: not found' },
      end(127),
      /"img": sh: opencode: not found/,
    ],
    ['ENGINE_ERROR', {}, end(0), /exited with code 0 .* wrote nothing/],
    ['ENGINE_ERROR', { lastPlainLine: 'Error: Session not found' }, end(1), /Session not found/],
  ])('%s, with %j', (code, findings, container, message) => {
    expect(turnOutcome(found(findings), container, 'img')).toMatchObject({
      kind: 'failed',
      error: { code, message: expect.stringMatching(message) },
    });
  });
});
