import type { Page } from 'playwright-core';
import { z } from 'zod';

/** Marks of direction, and controls that no text needs. */
const INVISIBLE = String.raw`[\u0000-\u0008\u000b\u000c\u000e-\u001f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]`;

const LOOK = `(() => {
  const faults = [];
  const all = [...document.querySelectorAll('*')];
  for (const element of all) {
    const name = element.localName;
    if (/^(script|iframe|object|embed|base|meta|link|form)$/.test(name) && document.body.contains(element))
      if (name !== 'form') faults.push('element ' + element.outerHTML.slice(0, 200));
    for (const { name: attribute, value } of element.attributes) {
      if (/^on/.test(attribute) || attribute === 'srcdoc') faults.push('attribute ' + attribute + '=' + value);
      if (/^(title|aria-label|alt|placeholder|label)$/.test(attribute) && /${INVISIBLE}/u.test(value))
        faults.push('invisible characters in ' + attribute + ': ' + JSON.stringify(value.slice(0, 200)));
    }
    if (name === 'a' && element.hasAttribute('href')) {
      const url = new URL(element.href);
      if (!/^(https?|blob):$/.test(url.protocol)) faults.push('link ' + element.outerHTML.slice(0, 200));
      if (url.origin !== location.origin && !/noopener.*noreferrer/.test(element.rel))
        faults.push('link without rel ' + element.outerHTML.slice(0, 200));
    }
    if (name === 'img' && !/^blob:/.test(element.src) && new URL(element.src).origin !== location.origin)
      faults.push('image ' + element.src);
  }
  const found = new RegExp(${JSON.stringify(`.{0,20}${INVISIBLE}.{0,20}`)}, 'u').exec(document.body.textContent);
  if (found) faults.push('invisible characters in ' + JSON.stringify(found[0]));
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) {
    const wide = all.filter((element) => element.getBoundingClientRect().right > clientWidth + 1).slice(0, 5);
    faults.push('wider than the window: ' + scrollWidth + ' of ' + clientWidth + ': ' +
      wide.map((element) => element.localName + '.' + element.className).join(', '));
  }
  if (document.documentElement.dir !== '' || document.title.length > 300) faults.push('title or direction');
  if (globalThis.pwned !== undefined) faults.push('something ran');
  return faults;
})()`;

/** What is wrong with a page that shows hostile content: markup that became elements, links, layout. */
export async function unsound(page: Page): Promise<string[]> {
  return z.array(z.string()).parse(await page.evaluate(LOOK));
}
