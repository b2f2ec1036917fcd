import type { ComponentChild } from 'preact';
import { useEffect } from 'preact/hooks';
import { session, signOut } from './api/session.ts';
import { href } from './links.ts';
import { lazy } from './parts/lazy.tsx';
import { whenIdle } from './parts/when-idle.ts';
import { path } from './router.ts';
import { SignInPage } from './sign-in/sign-in-page.tsx';
import { TasksPage } from './tasks/tasks-page.tsx';
import { setTitle } from './title.ts';

const loadPages = () => import('./pages.ts');
const NewTaskPage = lazy(async () => (await loadPages()).NewTaskPage);
const SystemPage = lazy(async () => (await loadPages()).SystemPage);
const TaskPage = lazy(async () => (await loadPages()).TaskPage);

/** The page: where one is, and what is there. */
export function App() {
  // Before they are asked for, so that a click waits for nothing and the bridge may be away.
  useEffect(() => whenIdle(() => void loadPages().catch(() => {})), []);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href('/')}>
          letta-opencode
        </a>
        <nav aria-label="Pages">
          <NavLink to="/" label="Tasks" />
          <NavLink to="/new" label="New task" />
          <NavLink to="/system" label="System" />
        </nav>
        {session.value?.authentication === 'token' && session.value.signed_in && (
          <button type="button" class="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        {pageOf(path.value)}
      </main>
    </>
  );
}

function NavLink({ to, label }: { to: string; label: string }) {
  return (
    <a href={href(to)} {...(path.value === to && { 'aria-current': 'page' as const })}>
      {label}
    </a>
  );
}

function pageOf(current: string): ComponentChild {
  // The id as the address has it: ids need no escapes, and what has some is no id.
  const taskId = /^\/tasks\/([^/]+)$/.exec(current)?.[1];
  if (taskId !== undefined) return <TaskPage key={taskId} taskId={taskId} />;
  switch (current) {
    case '/':
      return <TasksPage />;
    case '/new':
      return <NewTaskPage />;
    case '/system':
      return <SystemPage />;
    case '/sign-in':
      return <SignInPage />;
    default:
      return <NotFound />;
  }
}

function NotFound() {
  useEffect(() => setTitle('Not found'), []);
  return (
    <>
      <h1>There is no such page</h1>
      <p>
        <a href={href('/')}>All tasks</a>
      </p>
    </>
  );
}
