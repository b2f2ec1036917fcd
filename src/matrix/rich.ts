/** Words in the two forms in which Matrix wants them. */
export interface Rich {
  readonly plain: string;
  readonly html: string;
}

/** Words as they are; in the HTML form nothing of them is markup. */
export function words(text: string): Rich {
  const plain = text.replace(UNSEEN, '');
  return { plain, html: escapeHtml(plain).replaceAll('\n', '<br/>') };
}

export function bold(text: string): Rich {
  const { plain, html } = words(text);
  return { plain, html: `<strong>${html}</strong>` };
}

/** A command, a path, an id. */
export function code(text: string): Rich {
  const plain = text.replace(UNSEEN, '');
  return { plain, html: `<code>${escapeHtml(plain)}</code>` };
}

/** What somebody else said, set apart. */
export function quoted(text: string): Rich {
  const { plain, html } = words(text);
  return { plain: plain.replaceAll(/^/gm, '> '), html: `<blockquote>${html}</blockquote>` };
}

/** A line of fixed words and values; strings among the values are words as they are. */
export function rich(fixed: TemplateStringsArray, ...values: (Rich | string | number)[]): Rich {
  const parts = values.map((value) => (typeof value === 'object' ? value : words(String(value))));
  const join = (form: keyof Rich): string =>
    fixed.map((piece, index) => piece + (parts[index]?.[form] ?? '')).join('');
  return { plain: join('plain'), html: join('html') };
}

/** Lines below each other; absent ones are left out. */
export function lines(...all: (Rich | undefined | false)[]): Rich {
  const present = all.filter((line) => line !== undefined && line !== false);
  return {
    plain: present.map(({ plain }) => plain).join('\n'),
    html: present.map(({ html }) => html).join('<br/>'),
  };
}

/**
 * Control characters, and what turns the reading direction: they would show something else than is there. Half a
 * surrogate pair is no text at all.
 */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
