import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');

/** A file at the top of the repository. */
export function readTop(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

interface Instruction {
  keyword: string;
  rest: string;
}

/** One stage of a Dockerfile, with those that it builds on before it. */
export class Stage {
  readonly from: string;
  readonly instructions: readonly Instruction[];

  constructor(from: string, instructions: readonly Instruction[]) {
    this.from = from;
    this.instructions = instructions;
  }

  /** What the instruction says, each time. */
  all(keyword: string): string[] {
    return this.instructions.filter((each) => each.keyword === keyword).map(({ rest }) => rest);
  }

  /** What holds in the image: the last word on it. */
  last(keyword: string): string | undefined {
    return this.all(keyword).at(-1);
  }

  /** The words of an instruction in exec form; throws where it is in shell form. */
  words(keyword: string): string[] {
    const rest = this.last(keyword) ?? '';
    return z.array(z.string()).parse(JSON.parse(rest.slice(rest.indexOf('['))));
  }

  /** Names and values that it sets, from every ENV. */
  env(): Record<string, string> {
    const pairs = this.all('ENV').flatMap((rest) => [...rest.matchAll(/(\w+)=('[^']*'|\S+)/g)]);
    return Object.fromEntries(pairs.map(([, name, value = '']) => [name, value.replace(/^'|'$/g, '')]));
  }
}

/** Every stage by its name, the nameless last one as `final`; `head` has what stands before the first. */
export function readStages(path: string): Map<string, Stage> {
  const stages = new Map<string, Stage>();
  let name = 'head';
  let stage = new Stage('', []);
  for (const instruction of instructionsOf(readTop(path))) {
    if (instruction.keyword === 'FROM') {
      stages.set(name, stage);
      const [from = '', , as = 'final'] = instruction.rest.split(/\s+/);
      name = as;
      stage = new Stage(from, stages.get(from)?.instructions ?? []);
    } else stage = new Stage(stage.from, [...stage.instructions, instruction]);
  }
  return stages.set(name, stage);
}

function instructionsOf(text: string): Instruction[] {
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n');
  return lines.filter(Boolean).map((line) => {
    const [, keyword = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    return { keyword, rest: rest.replace(/\s+/g, ' ') };
  });
}

/** The stage of that name; throws where there is none. */
export function stageOf(path: string, name: string): Stage {
  const stage = readStages(path).get(name);
  if (!stage) throw new Error(`${path} has no stage ${name}`);
  return stage;
}
