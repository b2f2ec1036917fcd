import type { RequestHandler } from 'express';
import { BridgeError } from '../../errors.ts';
import { refuse } from '../access.ts';
import { bearerTokenOf } from '../guards/bearer.ts';
import { tokenCheck, unauthorized } from '../guards/token-check.ts';

const NEXT = 'Send the header "Authorization: Bearer <OPERATOR_TOKEN>".';

/** Lets in who has OPERATOR_TOKEN, and nobody where it is not set. */
export function operatorGuard(token: string | undefined): RequestHandler {
  const check = token === undefined ? undefined : tokenCheck([{ token }]);
  return (req, res, next) => {
    if (!check) return refuse(req, res, { error: notConfigured() });
    const given = bearerTokenOf(req.headers);
    const { refusal } =
      given === undefined ? unauthorized('A bearer token is needed.', NEXT) : check(given, req.socket);
    if (refusal) refuse(req, res, refusal);
    else next();
  };
}

function notConfigured(): BridgeError {
  return new BridgeError(
    'FORBIDDEN',
    'OPERATOR_TOKEN is not set, so nobody can set keys of providers here.',
    {
      next: 'The operator sets OPERATOR_TOKEN, or gives the keys by PROVIDER_KEYS_FILE or the environment.',
    },
  );
}
