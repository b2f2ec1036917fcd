import { flag, list, natural, positive } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Security');

export const SECURITY = {
  MCP_AUTH_TOKENS: variable({
    schema: list,
    default: '',
    about: 'Bearer tokens, comma-separated: a token, or agent=token to bind it to an agent.',
  }),
  MCP_ALLOWED_HOSTS: variable({
    schema: list,
    default: '',
    about: 'Host names, comma-separated, that clients may use for the bridge, besides loopback.',
  }),
  MCP_ALLOWED_ORIGINS: variable({
    schema: list,
    default: '',
    about: 'Origins of web pages, comma-separated, that may call the bridge, besides loopback ones.',
  }),
  MCP_MAX_BODY_BYTES: variable({
    schema: positive,
    default: '4194304',
    about: 'Maximum bytes of a request body.',
  }),
  MCP_RATE_LIMIT: variable({
    schema: natural,
    default: '3000',
    about: 'Requests per minute for each token, or for each address where there are no tokens; 0: no limit.',
  }),
  ALLOW_UNAUTHENTICATED: variable({
    schema: flag,
    default: 'false',
    about: 'true: listen beyond loopback even without tokens. Everyone who can connect can run code.',
  }),
};
