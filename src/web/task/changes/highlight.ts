import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import makefile from 'highlight.js/lib/languages/makefile';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';

const lowlight = createLowlight({
  bash,
  c,
  cpp,
  css,
  diff,
  dockerfile,
  go,
  ini,
  java,
  javascript,
  json,
  makefile,
  markdown,
  python,
  ruby,
  rust,
  sql,
  typescript,
  xml,
  yaml,
});

/** A piece of a line; `class` names its colour. */
export interface Token {
  text: string;
  class?: string;
}

type Tree = ReturnType<typeof lowlight.highlight>;
type TreeNode = Tree['children'][number];

/** The lines of a text with their colours, as data: nothing of it becomes markup. */
export function highlight(text: string, language: string): Token[][] {
  const lines: Token[][] = [[]];
  const add = (text: string, name: string | undefined): void => {
    for (const [index, part] of text.split('\n').entries()) {
      if (index > 0) lines.push([]);
      if (part !== '') lines.at(-1)?.push({ text: part, ...(name !== undefined && { class: name }) });
    }
  };
  const visit = (node: TreeNode, name: string | undefined): void => {
    if (node.type === 'text') add(node.value, name);
    else if (node.type === 'element') {
      const own = node.properties.className;
      const inner = Array.isArray(own) ? String(own[0]) : name;
      for (const child of node.children) visit(child, inner);
    }
  };
  for (const child of lowlight.highlight(language, text).children) visit(child, undefined);
  return lines;
}
