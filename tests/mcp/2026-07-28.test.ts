import { describe } from 'vitest';
import { useEra } from './era.ts';

useEra('2026-07-28');

/** What holds of the tools in a session holds without one. */
describe('tools', () => import('./tools.test.ts').then(() => undefined));
describe('waiting', () => import('./waiting.test.ts').then(() => undefined));
describe('arguments', () => import('./arguments.test.ts').then(() => undefined));
describe('bad input', () => import('./bad-input.test.ts').then(() => undefined));
describe('sizes', () => import('./answer-size.test.ts').then(() => undefined));
describe('other agents', () => import('./other-agents.test.ts').then(() => undefined));
describe('callback URLs', () => import('./callback-url.test.ts').then(() => undefined));
describe('repeated controls', () => import('./repeated-controls.test.ts').then(() => undefined));
