import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundlePage } from '../../src/http/page/bundle.ts';
import { WEB_FOLDER } from '../../src/package.ts';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';

const browser = useBrowser();

/** Sets `ran`, if it is run. */
const EVIL = 'globalThis.ran = true';

/** Ways in which text could become code if the page made a mistake with it; `FILE` is a script that a task made. */
const WAYS: readonly [name: string, script: string][] = [
  ['markup', `document.body.innerHTML = '<img src=x onerror="${EVIL}">'`],
  ['an event handler', `document.body.setAttribute('onclick', '${EVIL}'); document.body.click()`],
  ['text in a timer', `setTimeout('${EVIL}')`],
  [
    'an inline script',
    `const script = document.createElement('script'); script.append('${EVIL}'); document.body.append(script)`,
  ],
  [
    'a file of a task as a script',
    `const script = document.createElement('script'); script.src = FILE; document.body.append(script)`,
  ],
  ['a file of a task as a worker', 'new Worker(FILE)'],
  [
    'a javascript: link',
    `const link = document.createElement('a'); link.href = 'javascript:${EVIL}'; document.body.append(link); link.click()`,
  ],
  ['another origin', `fetch('http://localhost:1/').catch(() => undefined)`],
];

test.each(WAYS)('the browser refuses %s', async (_name, script) => {
  await using server = await startPageServer();
  const id = await server.api.start();
  await server.bridge.runner.turnOf(id);
  const directory = server.bridge.log.get(id)?.directory ?? '';
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'evil.js'), EVIL);
  await using view = await browser.open(`${server.origin}/`);
  const { page, faults } = view;
  faults.allow(
    /CSP violation|Content.Security.Policy|Trusted|^request to another origin: http:..localhost:1/i,
  );
  const refused = page.waitForEvent('console', (message) => /CSP violation/.test(message.text()));
  await page
    .evaluate(`(() => { const FILE = '/tasks/${id}/files/evil.js'; ${script} })()`)
    .catch(() => undefined);
  await refused;
  expect(await page.evaluate('globalThis.ran')).toBeUndefined();
});

test('the worker of the page runs, and nothing else gets its policy', async () => {
  await using server = await startPageServer();
  await using view = await browser.open(`${server.origin}/`);
  const { page, faults } = view;
  const { assets } = await bundlePage(join(WEB_FOLDER, 'main.tsx'));
  const script = assets.find(({ name }) => /^highlight-worker-\w+\.js$/.test(name))?.name;
  const lines = await page.evaluate(
    `import('/assets/${script}').then(({ highlightAside }) =>
       highlightAside({ text: 'const a = 1;', language: 'javascript' }, new AbortController().signal))`,
  );
  expect(JSON.stringify(lines)).toContain('const');
  faults.allow(/trusted/i);
  for (const name of ['highlight-worker', 'default', 'other']) {
    await expect(page.evaluate(`trustedTypes.createPolicy('${name}', {}).name`)).rejects.toThrow(/Policy/);
  }
});
