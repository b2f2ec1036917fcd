import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';

// The model in a container of its own, where others reach it by its name.
await startScriptedModel({ host: '0.0.0.0', port: 8080 });
