import assert from "node:assert/strict";
import { appSelections, isOffline, offlineEnvironment } from "../../lib/zeroinstall/settings.ts";
import { TemporaryDirectory } from "../e2e/lib/sandbox_env.ts";

function withGlobal(directory: string, text: string): string {
  Deno.mkdirSync(`${directory}/injector`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/injector/global`, text);
  return directory;
}

Deno.test("off-line is what the first file of settings says", async () => {
  await using directory = new TemporaryDirectory();
  const off = withGlobal(`${directory.path}/off`, "[global]\nnetwork_use = off-line\n");
  const on = withGlobal(`${directory.path}/on`, "[global]\nnetwork_use = full\n");
  const silent = withGlobal(`${directory.path}/silent`, "[global]\n# network_use = off-line\n");
  const missing = `${directory.path}/missing`;
  assert.equal(isOffline([off]), true);
  assert.equal(isOffline([missing, off, on]), true);
  assert.equal(isOffline([on, off]), false);
  assert.equal(isOffline([silent, off]), false);
  assert.equal(isOffline([missing]), false);
});

Deno.test("an application is found by its name in the first directory that has it", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  Deno.mkdirSync(`${path}/two/apps/edit`, { recursive: true });
  assert.equal(
    appSelections([`${path}/one`, `${path}/two`], "edit"),
    `${path}/two/apps/edit/selections.xml`,
  );
  Deno.mkdirSync(`${path}/one/apps/edit`, { recursive: true });
  assert.equal(
    appSelections([`${path}/one`, `${path}/two`], "edit"),
    `${path}/one/apps/edit/selections.xml`,
  );
  for (const name of ["other", "", ".", "..", "../apps/edit", "./edit", "http://edit", "a=b"]) {
    assert.equal(appSelections([`${path}/one`], name), undefined, name);
  }
});

Deno.test("the settings for choosing off-line are the user's, but for the network", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  const config = withGlobal(
    `${path}/config/0install.net`,
    "[global]\nnetwork_use = off-line\nhelp_with_testing = True\nfreshness = 100\n",
  );
  const env = offlineEnvironment([config, `${path}/xdg/0install.net`], `${path}/temporary`);
  assert.equal(env["XDG_CONFIG_HOME"], `${path}/temporary`);
  assert.equal(env["XDG_CONFIG_DIRS"], `${path}/config:${path}/xdg`);
  const written = Deno.readTextFileSync(`${path}/temporary/0install.net/injector/global`);
  assert.deepEqual(written.split("\n").filter((line) => line !== ""), [
    "[global]",
    "network_use = minimal",
    "freshness = 0",
    "help_with_testing = True",
  ]);
});
