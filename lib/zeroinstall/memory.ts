import { type Digest, isDigest } from "../manifest/digest.ts";

/** Changes when what is kept is written in another way. */
const VERSION = 1;

/**
 * Remembers which implementations a call of 0install chose, so that the next one need not ask for
 * it when nothing has changed: asking takes as long as starting 0install.
 *
 * It may be wrong without harm: 0install itself chooses again before it runs anything, and what it
 * lacks then it gets from the origin.
 */
export class SelectionMemory {
  readonly #path: string;
  readonly #inputs: readonly string[];

  /**
   * @param directory where it is kept; made when there is something to keep
   * @param call what is asked of 0install, to the word
   * @param inputs files and directories whose change may change the answer
   */
  static async of(
    directory: string,
    call: readonly string[],
    inputs: readonly string[],
  ): Promise<SelectionMemory> {
    const key = new TextEncoder().encode(JSON.stringify([VERSION, call, inputs]));
    // Not `node:crypto`, which takes longer to load than all that stands before a program's start.
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", key));
    return new SelectionMemory(`${directory}/${hash.toHex()}.json`, inputs);
  }

  private constructor(path: string, inputs: readonly string[]) {
    this.#path = path;
    this.#inputs = inputs;
  }

  /** For each implementation the names of its tree; undefined when it is to be asked for. */
  recall(): Digest[][] | undefined {
    try {
      const { inputs, wanted } = JSON.parse(Deno.readTextFileSync(this.#path));
      return inputs === this.#state() && isWanted(wanted) ? wanted : undefined;
    } catch {
      return undefined;
    }
  }

  keep(wanted: readonly (readonly Digest[])[]): void {
    const text = JSON.stringify({ inputs: this.#state(), wanted });
    try {
      Deno.mkdirSync(this.#path.slice(0, this.#path.lastIndexOf("/")), { recursive: true });
      // Whoever reads it meanwhile reads the old or the new one.
      const temporary = `${this.#path}.${Deno.pid}`;
      Deno.writeTextFileSync(temporary, text);
      Deno.renameSync(temporary, this.#path);
    } catch {
      // Without it the next call only takes longer.
    }
  }

  /** Zero Install replaces files by renaming, which changes the directory's time as well. */
  #state(): string {
    return this.#inputs.map((path) => {
      try {
        const { mtime, size, ino } = Deno.statSync(path);
        return `${mtime?.getTime()} ${size} ${ino}`;
      } catch {
        return "";
      }
    }).join("\n");
  }
}

function isWanted(value: unknown): value is Digest[][] {
  return Array.isArray(value) &&
    value.every((digests) =>
      Array.isArray(digests) && digests.length > 0 &&
      digests.every((digest) => typeof digest === "string" && isDigest(digest))
    );
}
