import type { WriteStream } from 'node:tty';
import yoctoSpinner, { type Spinner } from 'yocto-spinner';
import { printable } from '../../errors.ts';

const WIDTH = 20;

/** A bar with a spinner on a terminal, a line for each step otherwise. */
export class Progress {
  readonly #stream: WriteStream;
  readonly #spinner: Spinner | undefined;
  #last = '';

  constructor(stream: WriteStream) {
    this.#stream = stream;
    if (stream.isTTY) this.#spinner = yoctoSpinner({ text: 'waiting for the agent', stream }).start();
  }

  show(message: string, percent: number): void {
    const line = `${bar(percent)} ${printable(message)}`;
    if (this.#spinner) this.#spinner.text = line;
    else if (line !== this.#last) this.#stream.write(`  ${line}\n`);
    this.#last = line;
  }

  end(): void {
    this.#spinner?.stop();
  }
}

function bar(percent: number): string {
  const filled = Math.round((Math.max(0, Math.min(100, percent)) / 100) * WIDTH);
  return `[${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}]`;
}
