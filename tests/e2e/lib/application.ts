/** A program as a publisher makes one: an application with libraries, archived in every usual way. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { noise } from "../../serve/implementations.ts";
import { buildTree } from "../../vectors/build.ts";
import { file, type Node } from "../../vectors/trees.ts";
import { type Algorithm, digest, storeAdd } from "./oracle.ts";
import type { Origin } from "./origin.ts";
import type { Sandbox } from "./sandbox_env.ts";

/** What the application does, by its first argument. */
const SCRIPT = `#!/bin/sh
case $1 in
exit) exit "$2" ;;
stdin) cat ;;
pid) echo $$ ;;
die) kill -KILL $$ ;;
limit) ulimit -n ;;
trap)
  trap 'echo trapped; exit 7' TERM
  echo ready
  while :; do sleep 0.05; done
  ;;
*)
  echo "arguments: $*"
  cat "$RECIPE/base" "$RECIPE/more" "$OFFSET/text"
  ;;
esac
`;

/** What the application prints when it is run without arguments. */
export const OUTPUT = "arguments: \nbase\nmore\noffset\n";

/** One implementation, published. */
export interface Published {
  readonly digest: string;
  /** The tree itself. */
  readonly tree: string;
  /** Paths of its archives at the origin. */
  readonly archives: readonly string[];
}

/** How a tree is archived. */
type Method =
  | { readonly kind: "zip" | "tar.gz" | "tar.bz2" | "tar.xz" }
  | { readonly kind: "start-offset" }
  | { readonly kind: "recipe"; readonly second: string };

const COMPRESS: Readonly<Record<string, string>> = { "tar.gz": "z", "tar.bz2": "j", "tar.xz": "J" };

/** Whether the commands that make the archives are here. */
export function available(): boolean {
  return ["tar", "bzip2", "xz", "zip", "unzip"].every((command) =>
    new Deno.Command("sh", { args: ["-c", `command -v ${command}`], stdout: "null" })
      .outputSync().success
  );
}

/** An application with two libraries: a zip file, a recipe of two archives, one with an offset. */
export class Application {
  readonly uri: string;
  /** "application", "recipe" and "offset". */
  readonly parts: ReadonlyMap<string, Published>;

  private constructor(uri: string, parts: ReadonlyMap<string, Published>) {
    this.uri = uri;
    this.parts = parts;
  }

  /**
   * @param publisher a machine of the publisher's, for building
   * @param padding bytes that each of the two libraries has besides, which nothing compresses
   */
  static async publish(origin: Origin, publisher: Sandbox, padding = 0): Promise<Application> {
    const make = new Maker(origin, publisher);
    const more = (seed: number) => padding === 0 ? [] : [file("padding", noise(seed, padding))];
    const recipe = await make.library(
      "recipe",
      [file("base", "base\n"), file("more", "more\n"), ...more(1)],
      { kind: "recipe", second: "more" },
    );
    const offset = await make.library("offset", [file("text", "offset\n"), ...more(2)], {
      kind: "start-offset",
    });
    const script = file("start", SCRIPT, { mode: 0o755 });
    const application = await make.implementation("application", [script], { kind: "zip" });
    const uri = await origin.publish(
      "/application.xml",
      "Application",
      `<implementation version="1.0" ${application.attributes}>
  ${application.content}
  <command name="run" path="start"/>
  <requires interface="${origin.uri("/recipe.xml")}">
    <environment name="RECIPE" insert="" mode="replace"/>
  </requires>
  <requires interface="${origin.uri("/offset.xml")}">
    <environment name="OFFSET" insert="" mode="replace"/>
  </requires>
</implementation>`,
    );
    return new Application(
      uri,
      new Map([["application", application.published], ["recipe", recipe], ["offset", offset]]),
    );
  }

  /** Puts some of the parts into a machine's store. */
  async install(machine: Sandbox, ...names: string[]): Promise<void> {
    for (const name of names) await storeAdd(machine.env, "sha256new", this.#part(name).tree);
  }

  /** Paths of the archives of some of the parts, sorted. */
  archivesOf(...names: string[]): string[] {
    return names.flatMap((name) => this.#part(name).archives).sort();
  }

  get digests(): string[] {
    return [...this.parts.values()].map(({ digest }) => digest).sort();
  }

  #part(name: string): Published {
    const part = this.parts.get(name);
    assert.ok(part, name);
    return part;
  }
}

/** The archives among what was asked of an origin, sorted. */
export function archivesAmong(log: readonly string[]): string[] {
  return log.filter((path) => path.startsWith("/archives/")).sort();
}

/** Makes implementations and their archives. */
export class Maker {
  readonly #origin: Origin;
  readonly #publisher: Sandbox;
  readonly #directory: string;

  constructor(origin: Origin, publisher: Sandbox) {
    this.#origin = origin;
    this.#publisher = publisher;
    this.#directory = join(publisher.home, "making");
  }

  /** Publishes a feed with one implementation under `/NAME.xml`. */
  async library(name: string, nodes: readonly Node[], method: Method): Promise<Published> {
    const { attributes, content, published } = await this.implementation(name, nodes, method);
    await this.#origin.publish(
      `/${name}.xml`,
      name,
      `<implementation version="1.0" ${attributes}>${content}</implementation>`,
    );
    return published;
  }

  /** The XML of an implementation, whose archives are published. */
  async implementation(
    name: string,
    nodes: readonly Node[],
    method: Method,
    algorithms: readonly Algorithm[] = ["sha256new"],
  ): Promise<{ attributes: string; content: string; published: Published }> {
    const tree = join(this.#directory, name);
    mkdirSync(tree, { recursive: true });
    buildTree(tree, nodes);
    const digests = await Promise.all(
      algorithms.map((algorithm) => digest(this.#publisher.env, algorithm, tree)),
    );
    const values = digests.map((text) => text.replace(/^(sha256new)_|^(\w+)=/, '$1$2="') + '"');
    const archives: string[] = [];
    const put = (suffix: string, bytes: Uint8Array<ArrayBuffer>) => {
      const path = `/archives/${name}${suffix}`;
      this.#origin.put(path, bytes);
      archives.push(path);
      return `href="${this.#origin.uri(path)}" size="${bytes.length}"`;
    };
    const retrieval = await this.#retrieval(tree, nodes, method, put);
    return {
      attributes: `id="${name}"`,
      content: `<manifest-digest ${values.join(" ")}/>${retrieval}`,
      published: { digest: digests[0]!, tree, archives },
    };
  }

  async #retrieval(
    tree: string,
    nodes: readonly Node[],
    method: Method,
    put: (suffix: string, bytes: Uint8Array<ArrayBuffer>) => string,
  ): Promise<string> {
    const all = nodes.map(({ path }) => path);
    switch (method.kind) {
      case "zip": {
        const zip = await output("zip", ["-q", "-r", "-", "."], tree);
        return `<archive ${put(".zip", zip)} type="application/zip"/>`;
      }
      case "start-offset": {
        // As of a self-extracting archive: the size is that of what follows.
        const head = new TextEncoder().encode("#!/bin/sh\nexit 0\n");
        const tar = await output("tar", ["-cz", ...all], tree);
        const whole = new Uint8Array(head.length + tar.length);
        whole.set(head);
        whole.set(tar, head.length);
        const href = put(".sh", whole).replace(/size="\d+"/, `size="${tar.length}"`);
        return `<archive ${href} start-offset="${head.length}" type="application/x-compressed-tar"/>`;
      }
      case "recipe": {
        const first = await output("tar", ["-cj", ...all.filter((p) => p !== method.second)], tree);
        const second = await output("tar", ["-cJ", method.second], tree);
        return `<recipe>
  <archive ${put("-1.tar.bz2", first)}/>
  <archive ${put("-2.tar.xz", second)}/>
</recipe>`;
      }
      default: {
        const tar = await output("tar", [`-c${COMPRESS[method.kind]}`, ...all], tree);
        return `<archive ${put(`.${method.kind}`, tar)}/>`;
      }
    }
  }
}

async function output(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { TZ: "UTC" },
  }).output();
  assert.ok(success, `${command}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
