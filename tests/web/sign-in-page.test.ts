import { expect, test } from 'vitest';
import { RestClient } from '../http/rest.ts';
import { startPageServer } from './browser.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

const TOKEN = 'a-secret-of-the-operator';
const withToken = () => startPageServer({ tokens: [{ token: TOKEN }] });

test('a person signs in, comes to the page that was asked for, and signs out', async () => {
  await using server = await withToken();
  const operator = new RestClient(server.origin, { authorization: `Bearer ${TOKEN}` });
  await operator.start({ task_description: 'Secret work' });
  await using opened = await browser.open(`${server.http.url}/?q=secret&status=running`);
  const { page, context, faults } = opened;
  faults.allow(/status of 401/);
  await page.waitForURL(/\/sign-in\?return=/);
  expect(await page.content()).not.toContain('Secret work');
  expect(await seriousBarriers(page)).toEqual([]);

  const token = page.getByLabel('Token');
  await token.fill('wrong');
  await token.press('Enter');
  await page.getByText('The bridge does not know this token.').waitFor();
  expect(await seriousBarriers(page)).toEqual([]);
  await screenshot(page, 'sign-in');

  await token.fill(TOKEN);
  await token.press('Enter');
  await page.getByText('Secret work').waitFor();
  expect(new URL(page.url()).search).toBe('?q=secret&status=running');
  const kept = await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })');
  expect(kept).not.toContain(TOKEN);
  expect(await page.evaluate('document.cookie')).toBe('');
  await page.reload();
  await page.getByText('Secret work').waitFor();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  await page.goBack();
  await page.waitForURL(/\/sign-in/);
  expect(await page.getByText('Secret work').count()).toBe(0);
  expect((await context.cookies()).filter(({ name }) => name === 'bridge_session')).toEqual([]);
});

test('a link to the sign-in leads to no other site', async () => {
  await using server = await withToken();
  await using opened = await browser.open(
    `${server.http.url}/sign-in?return=${encodeURIComponent('//evil.example/')}`,
  );
  const { page } = opened;
  await page.getByLabel('Token').fill(TOKEN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('No task yet').waitFor();
  expect(page.url()).toBe(`${server.http.url}/`);
  expect(await page.locator('.command pre').first().textContent()).toContain(
    '"Authorization: Bearer $TOKEN"',
  );
});

test('without tokens there is nothing to sign in for', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/sign-in?return=/system`);
  await opened.page.waitForURL(/\/system$/);
  expect(await opened.page.getByRole('button', { name: 'Sign out' }).count()).toBe(0);
});
