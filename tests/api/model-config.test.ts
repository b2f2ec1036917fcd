import { expect, it } from 'vitest';
import { modelChoice } from '../../src/api/model-config.ts';

it.each([
  [undefined, undefined, {}],
  ['a/b', {}, { model: 'a/b' }],
  [undefined, { provider: 'a', model: 'b/c' }, { model: 'a/b/c' }],
  ['a/b', { provider: 'a', model: 'b' }, { model: 'a/b' }],
  [undefined, { temperature: 0 }, { modelConfig: { temperature: 0 } }],
  ['a/b', { enabled_tools: [] }, { model: 'a/b', modelConfig: { enabled_tools: [] } }],
  [undefined, { enabled_tools: ['read', 'read'] }, { modelConfig: { enabled_tools: ['read'] } }],
])('takes the model %j and the settings %j', (model, config, choice) => {
  expect(modelChoice(model, config)).toEqual(choice);
});

it.each([
  ['a/b', { provider: 'a', model: 'c' }, '`model` "a/b" and the model of `model_config` "a/c" differ.'],
  [undefined, { provider: 'a' }, '`model_config.provider` "a" is given without `model_config.model`.'],
  ['a/b', { model: 'b' }, '`model_config.model` "b" is given without `model_config.provider`.'],
  [undefined, { api_endpoint: 'http://evil.example' }, '`model_config.api_endpoint` "http://evil.example"'],
  [undefined, { api_endpoint: '' }, '`model_config.api_endpoint` ""'],
])('refuses the model %j with the settings %j', (model, config, message) => {
  expect(() => modelChoice(model, config)).toThrow(message);
});
