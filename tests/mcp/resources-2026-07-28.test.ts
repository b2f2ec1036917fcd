import { describe } from 'vitest';
import { useEra } from './era.ts';

useEra('2026-07-28');

/** What holds of resources and prompts in a session holds without one. */
describe('resources', () => import('./resources.test.ts').then(() => undefined));
describe('prompts', () => import('./prompts.test.ts').then(() => undefined));
describe('subscriptions', () => import('./subscriptions.test.ts').then(() => undefined));
