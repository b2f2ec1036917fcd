import { duration } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Delivery');

export const DELIVERY = {
  DELIVERY_MAX_AGE_MS: variable({
    schema: duration,
    default: '86400000',
    about:
      'How long the bridge tries to deliver an event to a system that is down (Letta, Matrix, receivers of webhooks).',
  }),
};
