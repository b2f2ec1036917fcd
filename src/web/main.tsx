import { render } from 'preact';
import { loadSession, requireSignIn, session } from './api/session.ts';
import { App } from './app.tsx';
import { startRouter } from './router.ts';
import { iconUrl } from './title.ts';
import './theme.css';

startRouter();
// A relative address would be resolved again at each navigation.
document.querySelector('link[rel=icon]')?.setAttribute('href', iconUrl);
// An unreachable bridge is shown by the page that asks it for something.
await loadSession().catch(() => {});
if (session.value?.signed_in === false) requireSignIn();
render(<App />, document.body);
