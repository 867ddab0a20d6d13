/**
 * The web site of a program, as its publisher makes one: feeds signed with a GPG key, archives of
 * several kinds, and a log of what was asked for. It listens on loopback, unless it is put elsewhere.
 */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import type { Sandbox } from "./sandbox_env.ts";

const FEED_NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface";

/** Whether there is what publishing takes: GnuPG. */
export function available(): boolean {
  try {
    return new Deno.Command("gpg", { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

export class Origin implements AsyncDisposable {
  /** Paths that were asked for since the log was last cleared. */
  readonly log: string[] = [];
  readonly #directory: string;
  readonly #files = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #authority: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #fingerprint: string;

  private constructor(directory: string, fingerprint: string, authority: string | undefined) {
    this.#directory = directory;
    this.#fingerprint = fingerprint;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.#authority = authority ?? `127.0.0.1:${this.port}`;
  }

  /**
   * @param directory an empty one, for the key
   * @param authority host and port in its URIs, when `saveTo` brings its files to another server
   */
  static async open(directory: string, authority?: string): Promise<Origin> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    await gpg(directory, [
      ...["--passphrase", "", "--quick-generate-key", "Publisher <publisher@example.com>"],
      ...["ed25519", "sign", "never"],
    ]);
    const keys = await gpg(directory, ["--list-keys", "--with-colons"]);
    const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(new TextDecoder().decode(keys))?.[1];
    assert.ok(fingerprint);
    const origin = new Origin(directory, fingerprint, authority);
    const key = await gpg(directory, ["--armor", "--export", fingerprint]);
    origin.put(`/${fingerprint}.gpg`, key);
    // By the last 16 digits it is asked for, too.
    origin.put(`/${fingerprint.slice(-16)}.gpg`, key);
    return origin;
  }

  get port(): number {
    return this.#server.addr.port;
  }

  uri(path: string): string {
    return `http://${this.#authority}${path}`;
  }

  put(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#files.set(path, bytes);
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  /**
   * Signs and publishes a feed under its URI.
   *
   * @param content what stands inside `<interface>`, after the name
   */
  async publish(path: string, name: string, content: string): Promise<string> {
    const uri = this.uri(path);
    const text = `<?xml version="1.0"?>
<interface xmlns="${FEED_NAMESPACE}" uri="${uri}">
  <name>${name}</name>
  <summary>a test</summary>
${content}
</interface>
`;
    const unsigned = new TextEncoder().encode(text);
    const signature = await gpg(this.#directory, ["--detach-sign", "--output", "-"], unsigned);
    const lines = signature.toBase64().replace(/.{1,76}/g, "$&\n");
    this.put(path, new TextEncoder().encode(`${text}<!-- Base64 Signature\n${lines}\n-->\n`));
    return uri;
  }

  /** Makes a machine trust the key for this origin, as its user would on the first download. */
  async trustedBy(machine: Sandbox): Promise<void> {
    const injector = await this.knownTo(machine);
    await Deno.writeTextFile(
      join(injector, "trustdb.xml"),
      `<?xml version="1.0"?>
<trusted-keys xmlns="http://zero-install.sourceforge.net/2007/injector/trust">
  <key fingerprint="${this.#fingerprint}"><domain value="${this.#authority}"/></key>
</trusted-keys>
`,
    );
  }

  /**
   * Keeps a machine's 0install from asking anybody but this origin: there is a mirror for what
   * fails and a server that knows about keys.
   */
  async knownTo({ env }: Sandbox): Promise<string> {
    const injector = join(env["XDG_CONFIG_HOME"]!, "0install.net", "injector");
    mkdirSync(injector, { recursive: true });
    await Deno.writeTextFile(
      join(injector, "global"),
      "[global]\nmirror =\nkey_info_server =\n",
    );
    return injector;
  }

  /** Writes all files below a directory, for another server. Returns the size of each. */
  async saveTo(directory: string): Promise<Map<string, number>> {
    for (const [path, bytes] of this.#files) {
      await Deno.mkdir(dirname(join(directory, path)), { recursive: true });
      await Deno.writeFile(join(directory, path), bytes);
    }
    return new Map(Array.from(this.#files, ([path, bytes]) => [path, bytes.length]));
  }

  /** From now on nobody answers there. */
  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await endAgent(this.#directory);
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    this.log.push(pathname);
    const bytes = this.#files.get(pathname);
    return bytes === undefined ? new Response("", { status: 404 }) : new Response(bytes);
  }
}

/** Ends the agent of GnuPG that has its keys in a directory, if there is one: it would stay. */
export async function endAgent(home: string): Promise<void> {
  const isHome = await Deno.stat(home).then(() => true, () => false);
  if (!isHome) return;
  await new Deno.Command("gpgconf", { args: ["--homedir", home, "--kill", "all"] }).output();
}

async function gpg(
  home: string,
  args: readonly string[],
  input?: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command("gpg", {
    args: ["--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", ...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  assert.ok(success, `gpg ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
