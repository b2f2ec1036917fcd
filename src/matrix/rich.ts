/** Text as plain text and as HTML, as Matrix messages need it. */
export interface Rich {
  readonly plain: string;
  readonly html: string;
}

/** Text without markup; escaped in HTML. */
export function words(text: string): Rich {
  const plain = text.replace(UNSAFE, '');
  return { plain, html: escapeHtml(plain).replaceAll('\n', '<br/>') };
}

export function bold(text: string): Rich {
  const { plain, html } = words(text);
  return { plain, html: `<strong>${html}</strong>` };
}

/** A command, a path, an id. */
export function code(text: string): Rich {
  const plain = text.replace(UNSAFE, '');
  return { plain, html: `<code>${escapeHtml(plain)}</code>` };
}

/** A block quote. */
export function quoted(text: string): Rich {
  const { plain, html } = words(text);
  return { plain: plain.replaceAll(/^/gm, '> '), html: `<blockquote>${html}</blockquote>` };
}

/** A template of trusted text with values; string values are escaped. */
export function rich(fixed: TemplateStringsArray, ...values: (Rich | string | number)[]): Rich {
  const parts = values.map((value) => (typeof value === 'object' ? value : words(String(value))));
  const render = (form: keyof Rich): string =>
    fixed.map((piece, index) => piece + (parts[index]?.[form] ?? '')).join('');
  return { plain: render('plain'), html: render('html') };
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
 * Characters that are removed: control characters, bidirectional controls, which can disguise a text, and lone
 * surrogates, which are not valid text.
 */
const UNSAFE = /(?![\n\t])[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu;
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
