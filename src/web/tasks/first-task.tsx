import { session } from '../api/session.ts';
import { base, href } from '../links.ts';
import { CopyButton } from '../parts/copy-button.tsx';

/** The list of a bridge that has had no task: how to hand one over. */
export function FirstTask() {
  const root = base.href.replace(/\/$/, '');
  return (
    <div class="first-task">
      <h2>No task yet</h2>
      <p>
        <a class="button primary" href={href('/new')}>
          Hand over the first task
        </a>
      </p>
      <p class="muted">Or let a program do it:</p>
      <Command label="the curl command" text={curl(root, session.value?.authentication === 'token')} />
      <p class="muted">Or connect an agent by MCP:</p>
      <Command label="the MCP command" text={`claude mcp add --transport http opencode ${root}/mcp`} />
    </div>
  );
}

function Command({ text, label }: { text: string; label: string }) {
  return (
    <div class="command">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to take the keys */}
      <pre tabIndex={0}>{text}</pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}

function curl(root: string, needsToken: boolean): string {
  return [
    `curl -s -X POST '${root}/tasks/execute'`,
    ...(needsToken ? [`  -H "Authorization: Bearer $TOKEN"`] : []),
    `  -H 'Content-Type: application/json'`,
    `  -d '{"task_description":"Write hello.py, run it, and say what it printed."}'`,
  ].join(' \\\n');
}
