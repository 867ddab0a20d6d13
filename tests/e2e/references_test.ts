/** `0share fetch` of what Zero Install knows the digests of: feeds, applications, selections. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Digest } from "../../lib/manifest/digest.ts";
import { addImplementation, type Implementation } from "../serve/implementations.ts";
import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { value } from "../zeroinstall/documents.ts";
import { cacheFeed, feedDirectory } from "./lib/feeds.ts";
import { digestsIn, machine, serveOn, SMALL } from "./lib/machine.ts";
import { Origin } from "./lib/origin.ts";
import { type Program, programs, type Result, run } from "./lib/program.ts";
import { type Sandbox, TemporaryDirectory } from "./lib/sandbox_env.ts";
import type { Server } from "./lib/server.ts";

const NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface";
const EDITOR = "http://127.0.0.1:9/editor.xml";
const LIBRARY = "http://127.0.0.1:9/library.xml";

/** Everything that says something of an implementation, and where nobody could get it from. */
function implementation({ digest }: Implementation, version: string): string {
  return `<implementation id="${digest}" version="${version}" released="2020-01-01">
    <manifest-digest sha256new="${value(digest)}"/>
    <archive href="http://127.0.0.1:9/archive.tar.gz" size="100"/>
  </implementation>`;
}

/** A program that needs a library, on a server, and a machine that lacks both. */
class Setting implements AsyncDisposable {
  private constructor(
    readonly program: Program,
    readonly directory: TemporaryDirectory,
    readonly server: Server,
    readonly two: Sandbox,
    readonly editor: Implementation,
    readonly library: Implementation,
  ) {}

  static async open(program: Program): Promise<Setting> {
    const directory = new TemporaryDirectory();
    const one = machine(directory, "one");
    const editor = await addImplementation(one.store, SMALL);
    const library = await addImplementation(one.store, [file("lib", "library")]);
    const server = await serveOn(program, one);
    return new Setting(program, directory, server, directory.sandbox("two"), editor, library);
  }

  async fetch(...args: string[]): Promise<Result> {
    return await run(
      this.program,
      ["fetch", ...args, "-H", `127.0.0.1:${this.server.port}`],
      { env: this.two.env, cwd: this.directory.path },
    );
  }

  /** Checks that exactly these were fetched, and their paths printed. */
  assertFetched({ code, stdout, stderr }: Result, ...expected: Implementation[]): void {
    assert.equal(code, 0, stderr);
    const digests = expected.map(({ digest }) => digest).sort();
    assert.deepEqual(digestsIn(this.two.store), digests);
    assert.deepEqual(
      stdout.trimEnd().split("\n").sort(),
      digests.map((digest) => join(this.two.store, digest)),
    );
  }

  /** A path, relative to where the program runs. */
  write(name: string, text: string): string {
    Deno.writeTextFileSync(join(this.directory.path, name), text);
    return name;
  }

  localFeed(): string {
    return this.write(
      "editor.xml",
      `<?xml version="1.0"?>
      <interface xmlns="${NAMESPACE}"><name>Editor</name><summary>a test</summary>
        <group><requires interface="${join(this.directory.path, "library.xml")}"/>
          <command name="run" path="bin/run"/>
          ${implementation(this.editor, "1.2")}
          <implementation id="." local-path="." version="0.1"/>
        </group></interface>`,
    );
  }

  localLibrary(): string {
    return this.write(
      "library.xml",
      `<?xml version="1.0"?>
      <interface xmlns="${NAMESPACE}"><name>Library</name><summary>a test</summary>
        ${implementation(this.library, "3")}</interface>`,
    );
  }

  selections(): string {
    const selection = (uri: string, inner: string) =>
      inner.replace("<implementation", `<selection interface="${uri}"`)
        .replace("</implementation", "</selection");
    return `<?xml version="1.0"?>
      <selections xmlns="${NAMESPACE}" interface="${EDITOR}" command="run">
        ${selection(EDITOR, implementation(this.editor, "1.2"))}
        ${selection(LIBRARY, implementation(this.library, "3"))}
        <selection interface="http://127.0.0.1:9/python.xml" id="package:deb:python:3" version="3"
          package="python"/>
      </selections>`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.directory[Symbol.asyncDispose]();
  }
}

for (const program of programs()) {
  Deno.test(`${program.name}: a selections file is fetched without 0install`, async () => {
    await using setting = await Setting.open(program);
    const { editor, library, two } = setting;
    cacheFeed(feedDirectory(two), {
      name: "Editor",
      uri: EDITOR,
      versions: { "1.2": editor.digest },
    });
    const nothing = {
      env: { ...two.env, PATH: setting.directory.path },
      cwd: setting.directory.path,
    };
    const path = setting.write("selections", setting.selections());
    const fetched = await run(
      program,
      ["fetch", path, library.digest, "-H", `127.0.0.1:${setting.server.port}`],
      nothing,
    );
    setting.assertFetched(fetched, editor, library);
    assert.match(fetched.stderr, new RegExp(`request ${editor.digest} \\(Editor 1\\.2\\)$`, "m"));
  });

  Deno.test(`${program.name}: without 0install a feed cannot be fetched, and it is said why`, async () => {
    await using setting = await Setting.open(program);
    const env = { ...setting.two.env, PATH: setting.directory.path };
    for (const reference of ["http://127.0.0.1:9/editor.xml", setting.localFeed()]) {
      const { code, stdout, stderr } = await run(program, ["fetch", reference], {
        env,
        cwd: setting.directory.path,
      });
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^0share: error: Cannot run "0install": it is not on the PATH$/m);
      assert.match(stderr, /^0share: hint: install Zero Install/m);
    }
  });

  Deno.test({
    name: `${program.name}: a local feed is fetched with all that it needs`,
    ...needs("oracle"),
    fn: async () => {
      await using setting = await Setting.open(program);
      setting.localLibrary();
      setting.assertFetched(
        await setting.fetch(setting.localFeed()),
        setting.editor,
        setting.library,
      );
      // Again: nothing is lacking, and the paths are printed all the same.
      setting.assertFetched(
        await setting.fetch(join(setting.directory.path, "editor.xml")),
        setting.editor,
        setting.library,
      );
    },
  });

  Deno.test({
    name: `${program.name}: a feed's URI is fetched from what is cached of it`,
    ...needs("oracle"),
    fn: async () => {
      await using setting = await Setting.open(program);
      const { editor, two } = setting;
      cacheFeed(feedDirectory(two), {
        name: "Editor",
        uri: EDITOR,
        versions: { "1.2": editor.digest },
      });
      const settings = join(two.env["XDG_CONFIG_HOME"]!, "0install.net/injector");
      mkdirSync(settings, { recursive: true });
      // Feeds never are stale then.
      Deno.writeTextFileSync(
        join(settings, "global"),
        "[global]\nnetwork_use = minimal\nfreshness = 0\n",
      );
      const fetched = await setting.fetch(EDITOR);
      setting.assertFetched(fetched, editor);
      assert.match(fetched.stderr, /^Caching new implementation \(digest \w+ \(Editor 1\.2\)\)$/m);
    },
  });

  Deno.test({
    name:
      `${program.name}: a feed's URI is fetched although no feed was here, by the name it then has`,
    ...needs("oracle", "publishing"),
    fn: async () => {
      await using setting = await Setting.open(program);
      const { editor, library, two } = setting;
      await using origin = await Origin.open(join(setting.directory.path, "origin"));
      await origin.trustedBy(two);
      const uri = await origin.publish("/library.xml", "Library", implementation(library, "3"));
      const target = await origin.publish(
        "/editor.xml",
        "Editor",
        `<group main="bin/run"><requires interface="${uri}"/>${
          implementation(editor, "1.2")
        }</group>`,
      );
      const fetched = await setting.fetch(target);
      setting.assertFetched(fetched, editor, library);
      for (const name of ["Editor 1.2", "Library 3"]) {
        assert.ok(fetched.stderr.includes(` (${name}))\n`), fetched.stderr);
      }
      // The archives are on no origin that could be reached.
      assert.deepEqual(
        origin.log.filter((path) => path.endsWith(".xml")).sort(),
        ["/editor.xml", "/library.xml"],
      );
      const listed = await run(setting.program, ["list", "library"], { env: two.env });
      assert.match(listed.stdout, new RegExp(`^${library.digest} \\(Library 3\\)  `));
    },
  });

  Deno.test({
    name: `${program.name}: an application is fetched as it was chosen when it was added`,
    ...needs("oracle"),
    fn: async () => {
      await using setting = await Setting.open(program);
      const { editor, library, two } = setting;
      const app = join(two.env["XDG_CONFIG_HOME"]!, "0install.net/apps/my editor");
      mkdirSync(app, { recursive: true });
      Deno.writeTextFileSync(join(app, "selections.xml"), setting.selections());
      setting.assertFetched(await setting.fetch("my editor"), editor, library);
    },
  });

  Deno.test({
    name: `${program.name}: what 0install cannot choose ends with 1, and it says why itself`,
    ...needs("oracle"),
    fn: async () => {
      await using setting = await Setting.open(program);
      const broken = setting.write("broken.xml", `<interface xmlns="${NAMESPACE}"><name>x`);
      const nothing = setting.write(
        "nothing.xml",
        `<?xml version="1.0"?><interface xmlns="${NAMESPACE}"><name>x</name><summary>x</summary></interface>`,
      );
      for (const reference of [broken, nothing]) {
        const { code, stdout, stderr } = await setting.fetch(reference);
        assert.deepEqual([code, stdout], [1, ""], stderr);
        const own = stderr.indexOf(`0share: error: Cannot fetch "${reference}": 0install`);
        assert.ok(own > 0, stderr);
      }
    },
  });

  Deno.test(`${program.name}: a damaged selections file, and a name of nothing, are refused`, async () => {
    await using setting = await Setting.open(program);
    const damaged = setting.write("damaged", setting.selections().slice(0, 300));
    const one = await setting.fetch(damaged);
    assert.deepEqual([one.code, one.stdout], [1, ""]);
    assert.match(one.stderr, /^0share: error: Cannot read .*damaged"?: it is not XML/m);
    const other = await setting.fetch("gimp", setting.write("selections", setting.selections()));
    assert.deepEqual([other.code, other.stdout], [2, ""]);
    assert.match(
      other.stderr,
      /^0share: error: Cannot use "gimp" as a digest: it is none, and no feed's URI, file or application either$/m,
    );
    const none: Digest[] = [];
    assert.deepEqual(digestsIn(setting.two.store), none);
  });
}
