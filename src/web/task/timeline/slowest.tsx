import { formatDuration } from '../../parts/duration.ts';
import { visible } from '../../parts/plain-text.ts';
import type { ToolSpan } from './spans.ts';

const SHOWN = 10;

/** The calls of tools that took longest. */
export function Slowest({ tools }: { tools: readonly ToolSpan[] }) {
  if (tools.length === 0) return null;
  const slowest = [...tools].sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, SHOWN);
  return (
    <table>
      <caption>Slowest calls of tools</caption>
      <thead>
        <tr>
          <th scope="col">Tool</th>
          <th scope="col">Call</th>
          <th scope="col" class="number">
            Time
          </th>
          <th scope="col">Result</th>
        </tr>
      </thead>
      <tbody>
        {slowest.map(({ tool, title, from, to, ok }, index) => (
          <tr key={index}>
            <td>{visible(tool)}</td>
            <td class="mono">{visible(title)}</td>
            <td class="number">{formatDuration(to - from)}</td>
            <td>{ok === undefined ? 'running' : ok ? 'ok' : <span class="failed">failed</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
