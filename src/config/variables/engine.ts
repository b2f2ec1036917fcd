import { flag, port, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Reproducible engine');

/** Read only by `letta-opencode-plugin opencode`. */
export const ENGINE = {
  OPENCODE_IMAGE: variable({
    schema: text,
    about: 'Image of the server that opencode up starts: name@sha256:…, or sha256:… of a local image.',
  }),
  OPENCODE_ALLOW_TAG: variable({
    schema: flag,
    default: 'false',
    about: 'true: OPENCODE_IMAGE may be a tag, which can change.',
  }),
  OPENCODE_PORT: variable({
    schema: port.min(1),
    default: '4096',
    about: 'Port of that server on 127.0.0.1.',
  }),
  WORKSPACE_ROOT: variable({
    schema: text,
    shown: 'the current folder',
    about:
      'The only folder of this machine that the server can see, under the same path. WORKSPACE_DIR and ALLOWED_DIRECTORIES of a bridge that uses the server must lie in it.',
  }),
};
