/** Feeds of every kind, and no network: as a user of 0install expects. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { needs } from "../skips.ts";
import { file } from "../vectors/trees.ts";
import { archivesAmong, Maker, OUTPUT } from "./lib/application.ts";
import { digestsIn, machine, serveOn } from "./lib/machine.ts";
import { storeAdd, zeroInstall } from "./lib/oracle.ts";
import { programs } from "./lib/program.ts";
import { Publication } from "./lib/publication.ts";
import { removeTree } from "./lib/sandbox_env.ts";

const ALL = ["application", "recipe", "offset"];
const SCRIPT = "#!/bin/sh\necho version $VERSION\n";

/** Gets the feeds, and nothing else; then no request arrives any more. */
async function withFeedsOnly({ one, application, origin }: Publication): Promise<void> {
  const selected = await zeroInstall(one.env, "select", "--console", application.uri);
  assert.equal(selected.code, 0, selected.stderr);
  await origin.close();
  origin.log.splice(0);
}

for (const program of programs()) {
  const test = (name: string, body: (publication: Publication) => Promise<void>) => {
    Deno.test({
      name: `${program.name}: ${name}`,
      ...needs("oracle", "publishing", "posix"),
      fn: async () => {
        await using publication = await Publication.open(program);
        await body(publication);
      },
    });
  };

  for (const way of ["--offline", "network_use off-line", "no route"]) {
    test(`cached feeds and peers are enough to run a program: ${way}`, async (publication) => {
      const { application, one } = publication;
      await using _peer = await publication.peer(...ALL);
      await withFeedsOnly(publication);
      if (way === "network_use off-line") {
        await zeroInstall(one.env, "config", "network_use", "off-line");
      }
      const options = way === "--offline" ? [way] : [];
      const ran = await publication.run("run", ...options, application.uri);
      assert.deepEqual([ran.code, ran.stdout], [0, OUTPUT], ran.stderr);
      assert.deepEqual(digestsIn(one.store), application.digests);
      const again = await publication.run("run", ...options, application.uri);
      assert.deepEqual([again.code, again.stdout, again.stderr], [0, OUTPUT, ""]);
      // The user's settings are as they were.
      const { stdout } = await zeroInstall(one.env, "config", "network_use");
      assert.equal(stdout, `${way === "network_use off-line" ? "off-line" : "full"}\n`);
    });
  }

  test("off-line, what no peer has is missed as 0install misses it", async (publication) => {
    const { application, origin, one } = publication;
    await using _peer = await publication.peer("recipe", "offset");
    const selected = await zeroInstall(one.env, "select", "--console", application.uri);
    assert.equal(selected.code, 0, selected.stderr);
    origin.log.splice(0);
    const { code, stdout, stderr } = await publication.run("run", "-o", application.uri);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /Can't find all required implementations/);
    assert.deepEqual(origin.log, []);
    // Without its feed there is nothing to ask peers for.
    const other = await publication.run("run", "-o", origin.uri("/other.xml"));
    assert.equal(other.code, 1);
    assert.match(other.stderr, /Can't find all required implementations|other\.xml/);
    assert.deepEqual(origin.log, []);
  });

  for (const scheme of ["", "file://"]) {
    test(`a local feed, as ${scheme}/…, runs its own directory with libraries from peers`, async (publication) => {
      const { application, origin, one } = publication;
      await using _peer = await publication.peer("recipe", "offset");
      const source = join(one.home, "source");
      Deno.mkdirSync(source);
      Deno.writeTextFileSync(`${source}/start`, '#!/bin/sh\ncat "$RECIPE/base"\n', { mode: 0o755 });
      const need = (...libraries: string[]) =>
        Deno.writeTextFileSync(
          `${source}/feed.xml`,
          `<interface xmlns="http://zero-install.sourceforge.net/2004/injector/interface">
  <name>local</name><summary>local</summary>
  <implementation id="." version="0.1">
    <command name="run" path="start"/>${
            libraries.map((library) => `
    <requires interface="${origin.uri(`/${library}.xml`)}">
      <environment name="${library.toUpperCase()}" insert="" mode="replace"/>
    </requires>`).join("")
          }
  </implementation>
</interface>`,
        );
      const runs = async () => {
        const ran = await publication.run("run", `${scheme}${source}/feed.xml`);
        assert.deepEqual([ran.code, ran.stdout], [0, "base\n"], ran.stderr);
        assert.deepEqual(archivesAmong(origin.log), []);
      };
      const digestsOf = (...names: string[]) =>
        names.map((name) => application.parts.get(name)!.digest).sort();
      need("recipe");
      await runs();
      await runs();
      assert.deepEqual(digestsIn(one.store), digestsOf("recipe"));
      // What is remembered of it does not count any more.
      need("recipe", "offset");
      await runs();
      assert.deepEqual(digestsIn(one.store).toSorted(), digestsOf("recipe", "offset"));
    });
  }

  test("a selections document is run as it is", async (publication) => {
    const { application, origin, one } = publication;
    const document = `${one.home}/selections.xml`;
    const { stdout } = await zeroInstall(one.env, "select", "--xml", "--console", application.uri);
    Deno.writeTextFileSync(document, stdout);
    await using _peer = await publication.peer("application", "offset");
    origin.log.splice(0);
    const ran = await publication.run("run", document);
    assert.deepEqual([ran.code, ran.stdout], [0, OUTPUT], ran.stderr);
    assert.deepEqual(origin.log.toSorted(), application.archivesOf("recipe"));
  });

  test("any one of several digests is enough, and packages are the distribution's", async (publication) => {
    const { origin, publisher, one } = publication;
    const make = new Maker(origin, publisher);
    const nodes = [file("text", "several digests\n")];
    const several = await make.implementation("several", nodes, { kind: "tar.gz" }, [
      "sha256new",
      "sha1new",
      "sha1",
    ]);
    const uri = await origin.publish(
      "/several.xml",
      "several",
      `<implementation version="1" ${several.attributes}>${several.content}
  <command name="run" path="text">
    <runner interface="${origin.uri("/shell.xml")}"><arg>-c</arg><arg>cat "$0"</arg></runner>
  </command>
</implementation>`,
    );
    await origin.publish(
      "/shell.xml",
      "shell",
      `<package-implementation package="dash" main="/bin/sh" distributions="Debian"/>
<package-implementation package="bash" main="/bin/sh" distributions="RPM Arch MacPorts"/>`,
    );
    const peer = machine(publication.directory, "peer", { TZ: "UTC" });
    const name = await storeAdd(peer.env, "sha1new", several.published.tree);
    await using _server = await serveOn(program, peer, {
      discoveryPort: Number(publication.discoveryPort),
    });
    const { code, stdout, stderr } = await publication.run("run", uri);
    assert.deepEqual([code, stdout], [0, "several digests\n"], stderr);
    assert.deepEqual(digestsIn(one.store), [name]);
    assert.deepEqual(archivesAmong(origin.log), []);
  });

  test("a new version is found by a refresh, and fetched from peers", async (publication) => {
    const { origin, publisher } = publication;
    const make = new Maker(origin, publisher);
    const versions = await Promise.all(["1", "2"].map(async (version) => {
      const script = SCRIPT.replace("$VERSION", version);
      const nodes = [file("start", script, { mode: 0o755 })];
      const { attributes, content, published } = await make.implementation(
        `version-${version}`,
        nodes,
        { kind: "tar.xz" },
      );
      const xml = `<implementation version="${version}" ${attributes}>${content}
        <command name="run" path="start"/></implementation>`;
      return { xml, published };
    }));
    const publish = (count: number) =>
      origin.publish("/new.xml", "new", versions.slice(0, count).map(({ xml }) => xml).join(""));
    const uri = await publish(1);
    const peer = machine(publication.directory, "peer", { TZ: "UTC" });
    for (const { published } of versions) await storeAdd(peer.env, "sha256new", published.tree);
    await using _server = await serveOn(program, peer, {
      discoveryPort: Number(publication.discoveryPort),
    });
    const ran = await publication.run("run", uri);
    assert.deepEqual([ran.code, ran.stdout], [0, "version 1\n"], ran.stderr);
    await publish(2);
    assert.equal((await publication.run("run", uri)).stdout, "version 1\n", "it is not asked");
    const refreshed = await publication.run("run", "--refresh", "--console", uri);
    assert.deepEqual([refreshed.code, refreshed.stdout], [0, "version 2\n"], refreshed.stderr);
    assert.equal((await publication.run("run", uri)).stdout, "version 2\n");
    assert.equal((await publication.run("run", "--version=1", uri)).stdout, "version 1\n");
    assert.equal((await publication.run("run", "--before", "2", uri)).stdout, "version 1\n");
    assert.deepEqual(archivesAmong(origin.log), []);
  });

  test("an archive that is not as the cached feed says is looked for anew", async (publication) => {
    const { origin, publisher, one } = publication;
    const make = new Maker(origin, publisher);
    const nodes = [file("start", SCRIPT.replace("$VERSION", "1"), { mode: 0o755 })];
    const { attributes, content } = await make.implementation("stale", nodes, { kind: "tar.gz" });
    const publish = (content: string) =>
      origin.publish(
        "/stale.xml",
        "stale",
        `<implementation version="1" ${attributes}>${content}
          <command name="run" path="start"/></implementation>`,
      );
    const uri = await publish(content.replace(/size="\d+"/, 'size="7"'));
    await zeroInstall(one.env, "select", "--console", uri);
    await publish(content);
    const { code, stdout, stderr } = await publication.run("run", uri);
    assert.deepEqual([code, stdout], [0, "version 1\n"], stderr);
    assert.match(stderr, /0share: warning: 0install could not get/);
  });

  test("a store of --with-store counts, and what is lost is fetched once for all", async (publication) => {
    const { application, origin, one } = publication;
    await using _peer = await publication.peer(...ALL);
    await publication.run("run", application.uri);
    const other = join(one.home, "other");
    Deno.renameSync(one.store, other);
    const ran = await publication.run("run", `--with-store=${other}`, application.uri);
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, OUTPUT, ""]);
    assert.deepEqual(digestsIn(one.store), []);
    await removeTree(other);
    const twice = await publication.run("download", application.uri, application.uri);
    assert.equal(twice.code, 0, twice.stderr);
    assert.equal(twice.stderr.match(/Success/g)?.length, ALL.length, twice.stderr);
    assert.deepEqual(archivesAmong(origin.log), []);
  });
}
