import { Router } from 'express';
import { healthReport } from '../api/health-report.ts';
import type { ApiServices } from '../api/services.ts';

/** `/health`: liveness with details, without those that the database does not answer for: a new process would not know them either. `/ready`: 503 while a dependency is down or the bridge is stopping. */
export function healthRoutes(services: ApiServices, isDraining: () => boolean): Router {
  const router = Router();
  router.get('/health', async (_req, res) => {
    const { version, mode } = services;
    const report = await healthReport(services).catch(() => ({ status: 'degraded', version, mode }));
    res.set('Cache-Control', 'no-store').json(report);
  });
  router.get('/ready', (_req, res) => {
    const dependencies = services.dependencies();
    const ready = !isDraining() && dependencies.every(({ status }) => status !== 'down');
    res
      .status(ready ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ ready, dependencies });
  });
  return router;
}
