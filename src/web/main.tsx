import { render } from 'preact';
import { requireSignIn, session, startSession } from './api/session.ts';
import { App } from './app.tsx';
import { startNotifier } from './notify/notifier.ts';
import { path, startRouter } from './router.ts';
import { prepareTasks } from './tasks/tasks-page.tsx';
import { setTitle } from './title.ts';
import './theme.css';

/** How long nothing is drawn while the tasks are on their way. */
const PATIENCE_MS = 100;

startRouter();
setTitle('');
// An unreachable bridge is shown by the page that asks it for something.
await startSession().catch(() => {});
if (session.value?.signed_in === false) requireSignIn();
startNotifier();
// To draw the list empty first would take longer than most answers.
if (path.value === '/') await Promise.race([prepareTasks().catch(() => {}), timeout(PATIENCE_MS)]);
render(<App />, document.body);

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
