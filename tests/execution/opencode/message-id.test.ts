import fc from 'fast-check';
import { expect, it } from 'vitest';
import { messageId } from '../../../src/runners/opencode-server/message-id.ts';

const NOW = 1_795_258_275_676;

it('has the form of OpenCode, and is the same for the same key and time', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: NOW * 2 }), (key, now) => {
      expect(messageId(key, now)).toMatch(/^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/);
      expect(messageId(key, now)).toBe(messageId(key, now));
    }),
  );
});

it('sorts by time, and differs by key', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 1e6 }), (one, other, later) => {
      expect(messageId(one, NOW) < messageId(other, NOW + later)).toBe(true);
      if (one !== other) expect(messageId(one, NOW)).not.toBe(messageId(other, NOW));
    }),
  );
});

it('has the time where OpenCode has it', () => {
  // As the engine itself makes them: msg_1fdbb5a08001… was created at 1795258276360.
  expect(messageId('x', 1_795_258_276_360).slice(0, 13)).toBe('msg_1fdbb5a08');
});
