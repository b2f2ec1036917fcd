import { render } from 'preact';
import { loadSession, requireSignIn, session } from './api/session.ts';
import { App } from './app.tsx';
import { startNotifier } from './notify/notifier.ts';
import { startRouter } from './router.ts';
import { setTitle } from './title.ts';
import './theme.css';

startRouter();
setTitle('');
// An unreachable bridge is shown by the page that asks it for something.
await loadSession().catch(() => {});
if (session.value?.signed_in === false) requireSignIn();
startNotifier();
render(<App />, document.body);
