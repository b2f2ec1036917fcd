import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { RestClient } from '../http/rest.ts';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';
import { noNginx, PUBLIC_NAME, startNginx } from './support/nginx.ts';
import { signIn } from './support/person.ts';

const browser = useBrowser({ args: [`--host-resolver-rules=MAP ${PUBLIC_NAME} 127.0.0.1`] });
beforeEach((context) => context.skip(noNginx !== undefined, noNginx));

describe.each([
  ['at the root', false],
  ['below a path', true],
])('behind nginx with TLS, %s, as docs/web.md says', (_, belowPath) => {
  it('a person signs in, follows a task live, and reloads its address', async () => {
    const token = randomBytes(16).toString('hex');
    await using server = await startPageServer({ tokens: [{ token }], allowedHosts: [PUBLIC_NAME] });
    const api = new RestClient(server.http.url, { authorization: `Bearer ${token}` });
    const id = await api.start({ task_description: 'Sweep the yard.' });
    const run = await server.bridge.runner.turnOf(id);
    await using nginx = await startNginx(new URL(server.http.url).port, { belowPath });
    await using view = await browser.open(`${nginx.url}/`, { ignoreHTTPSErrors: true });
    const { page, context } = view;
    await signIn(page, token);
    await page.waitForURL(`${nginx.url}/`);

    const [cookie, ...others] = await context.cookies();
    expect(others).toEqual([]);
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Strict', domain: PUBLIC_NAME });

    await page.getByRole('link', { name: /Sweep the yard/ }).click();
    await page.waitForURL(`${nginx.url}/tasks/${id}`);
    await expect.poll(() => run.live.wanted).toBe(true);
    run.live.append({ kind: 'text', id: 'prt_1', child: false }, 'The yard is half');
    await page.getByText('The yard is half').first().waitFor();
    run.emit({ kind: 'output', text: 'The yard is swept.', message_id: 'msg_1', part_id: 'prt_1' });
    await page.getByText('The yard is swept.').first().waitFor();

    await page.reload();
    await page.getByText('The yard is swept.').first().waitFor();
    await page.getByRole('link', { name: 'System' }).click();
    await page.waitForURL(`${nginx.url}/system`);
    // All that the page asks for is there: what it asks for after the sign-out is a 401 on the console.
    await page.getByRole('heading', { name: 'Limits' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/\/sign-in/);
    expect(await context.cookies()).toEqual([]);
  });
});
