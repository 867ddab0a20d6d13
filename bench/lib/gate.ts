/** A gate before which many commands wait, to start at the same moment. */

import { must } from "./processes.ts";

export class Gate implements AsyncDisposable {
  /** Put in front of a command, it waits for the gate. */
  readonly prefix: readonly string[];
  #path: string;
  #writer: Deno.FsFile | undefined;

  private constructor(path: string) {
    this.#path = path;
    // Opening a named pipe for reading waits until somebody has it open for writing.
    this.prefix = ["bash", "-c", 'exec 3<"$0" 3<&-; exec "$@"', path];
  }

  static async at(path: string): Promise<Gate> {
    await must("mkfifo", path);
    return new Gate(path);
  }

  /** Lets all go that wait, and those that come later. */
  open(): void {
    // Also for reading, so that this does not wait when nobody is there yet.
    this.#writer ??= Deno.openSync(this.#path, { read: true, write: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer?.close();
    await Deno.remove(this.#path);
  }
}
