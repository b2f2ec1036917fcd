import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../api/client.ts';
import { session, signIn } from '../api/session.ts';
import { base } from '../links.ts';
import { visible } from '../parts/plain-text.ts';
import { navigate, query } from '../router.ts';
import { setTitle } from '../title.ts';
import { returnPath } from './return-path.ts';
import './sign-in.css';

/** `/sign-in`; `?return=…` is the page to show afterwards. */
export function SignInPage() {
  const back = returnPath(query.value.get('return'), base);
  const isSignedIn = session.value?.signed_in === true || session.value?.authentication === 'none';
  useEffect(() => setTitle('Sign in'), []);
  // Nothing to sign in for: no tokens, or another tab did it.
  useEffect(() => {
    if (isSignedIn) navigate(back, { replace: true });
  }, [isSignedIn, back]);
  return <SignInForm />;
}

function SignInForm() {
  const input = useRef<HTMLInputElement>(null);
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  useEffect(() => input.current?.focus(), []);

  const submit = async (): Promise<void> => {
    const token = input.current?.value.trim() ?? '';
    if (isSending) return;
    setSending(true);
    setProblem(undefined);
    try {
      await signIn(token);
    } catch (thrown) {
      if (!(thrown instanceof Problem)) throw thrown;
      setProblem(thrown);
      input.current?.select();
    } finally {
      setSending(false);
    }
  };
  return (
    <form
      class="sign-in"
      aria-labelledby="sign-in-title"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1 id="sign-in-title">Sign in</h1>
      {/* Password managers file a token under a name. */}
      <input type="text" hidden autocomplete="username" value={base.host} readOnly />
      <label for="token">Token</label>
      <input
        ref={input}
        id="token"
        type="password"
        required
        autocomplete="current-password"
        aria-describedby="token-error token-hint"
        aria-invalid={problem !== undefined}
      />
      <p id="token-error" class="sign-in-error" role="alert">
        {problem && visible(complaint(problem))}
      </p>
      <p id="token-hint" class="muted">
        One of <code>MCP_AUTH_TOKENS</code> of the bridge. This browser stays signed in for a day and does not
        keep the token.
      </p>
      <button type="submit" class="primary" disabled={isSending}>
        {isSending ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

function complaint(problem: Problem): string {
  switch (problem.code) {
    case 'UNAUTHORIZED':
      return 'The bridge does not know this token.';
    case 'UNREACHABLE':
      return problem.message;
    default:
      return [problem.message, problem.next].filter(Boolean).join(' ');
  }
}
