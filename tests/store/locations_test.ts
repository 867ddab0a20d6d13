import assert from "node:assert/strict";
import fc from "fast-check";
import { systemEnvironment } from "../../lib/store/environment.ts";
import { cacheLocations, type Environment, storeLocations } from "../../lib/store/locations.ts";
import { needs } from "../skips.ts";
import { Scratch } from "./sample.ts";

interface Machine {
  env?: Record<string, string>;
  files?: Record<string, string>;
  os?: Environment["os"];
  foreignHome?: boolean;
}

function locate(machine: Machine): string[] {
  return storeLocations({
    get: (name) => machine.env?.[name],
    os: machine.os ?? "linux",
    readTextFile: (path) => machine.files?.[path],
    cwd: () => "/current",
    isForeignHome: () => machine.foreignHome ?? false,
  });
}

const USER = "/home/ann/.cache/0install.net/implementations";
const SYSTEM = "/var/cache/0install.net/implementations";
const HOME = { HOME: "/home/ann" };

Deno.test("the user's cache comes first, then the system's", () => {
  assert.deepEqual(locate({ env: HOME }), [USER, SYSTEM]);
  assert.deepEqual(locate({ env: HOME, os: "darwin" }), [USER, SYSTEM]);
});

Deno.test("an empty XDG_CACHE_DIRS means no system store", () => {
  assert.deepEqual(locate({ env: { ...HOME, XDG_CACHE_DIRS: "" } }), [USER]);
});

Deno.test("each of XDG_CACHE_DIRS counts, also one that comes twice", () => {
  assert.deepEqual(
    locate({ env: { XDG_CACHE_HOME: "/one", XDG_CACHE_DIRS: "/one::/two/" } }),
    ["/one", "/one", "/two"].map((base) => `${base}/0install.net/implementations`),
  );
});

Deno.test("a relative directory starts from the working directory", () => {
  assert.deepEqual(locate({ env: { XDG_CACHE_HOME: "x", XDG_CACHE_DIRS: "y" } }), [
    "/current/x/0install.net/implementations",
    "/current/y/0install.net/implementations",
  ]);
  assert.equal(
    locate({ env: { XDG_CACHE_HOME: "" } })[0],
    "/current/0install.net/implementations",
  );
});

Deno.test("dots in a path are left in it, because of symlinks", () => {
  assert.equal(
    locate({ env: { XDG_CACHE_HOME: "/a//b/../c/" } })[0],
    "/a//b/../c/0install.net/implementations",
  );
});

Deno.test("implementation-dirs are read from the last line to the first", () => {
  const stores = locate({
    env: { ...HOME, XDG_CONFIG_DIRS: "/c2:/c3", XDG_CACHE_DIRS: "" },
    files: {
      "/home/ann/.config/0install.net/injector/implementation-dirs":
        "# a comment\n/one\n /two \n\n~/three\n/four\r\n/last",
      "/c3/0install.net/injector/implementation-dirs": "/five\n",
    },
  });
  assert.deepEqual(stores, [
    USER,
    "/five",
    "/last",
    "/four\r",
    "/current/~/three",
    "/current/ /two ",
    "/one",
  ]);
});

Deno.test("the portable mode has one cache and its own implementation-dirs", () => {
  const stores = locate({
    env: { ...HOME, XDG_CACHE_HOME: "/x", ZEROINSTALL_PORTABLE_BASE: "/stick" },
    files: {
      "/stick/config/injector/implementation-dirs": "/more\n",
      "/etc/xdg/0install.net/injector/implementation-dirs": "/other\n",
    },
  });
  assert.deepEqual(stores, ["/stick/cache/implementations", "/more"]);
});

Deno.test("root does not use the HOME of somebody else", () => {
  const passwd = "daemon:x:1:1::/usr/sbin:/bin/sh\nroot:x:0:0:root:/home/admin:/bin/sh\n";
  assert.deepEqual(
    locate({ env: HOME, foreignHome: true, files: { "/etc/passwd": passwd } }),
    ["/home/admin/.cache/0install.net/implementations", SYSTEM],
  );
  assert.equal(
    locate({ env: { ...HOME, XDG_CACHE_HOME: "/x" }, foreignHome: true })[0],
    "/x/0install.net/implementations",
  );
});

Deno.test("Windows has its own directories and separators", () => {
  assert.deepEqual(
    locate({
      os: "windows",
      env: {
        LOCALAPPDATA: "C:\\Users\\ann\\AppData\\Local",
        APPDATA: "C:\\Users\\ann\\AppData\\Roaming",
        PROGRAMDATA: "C:\\ProgramData",
      },
      files: {
        "C:\\ProgramData/0install.net/injector/implementation-dirs": "D:\\one\r\nE:/two\r\n",
      },
    }),
    [
      "C:\\Users\\ann\\AppData\\Local/0install.net/implementations",
      "C:\\ProgramData/0install.net/implementations",
      "E:/two",
      "D:\\one",
    ],
  );
  assert.deepEqual(
    locate({ os: "windows", env: { XDG_CACHE_HOME: "D:\\", XDG_CACHE_DIRS: "E:\\a;F:\\b" } }),
    ["D:\\0install.net/implementations"].concat(
      ["E:\\a", "F:\\b"].map((base) => `${base}/0install.net/implementations`),
    ),
  );
});

const path = fc.constantFrom("/a", "/b/", "relative", "/c//d", "/e/../f", ".", "/g h", "/ü");
const list = fc.array(fc.oneof(path, fc.constant("")), { maxLength: 3 })
  .map((paths) => paths.join(":"));
const line = fc.oneof(
  path,
  fc.constantFrom("", "# no", "#", " # yes", "~/x", "/trailing/\r", "\t"),
);
const settings = fc.record({
  XDG_CACHE_HOME: fc.oneof(path, fc.constant("")),
  XDG_CACHE_DIRS: list,
  ZEROINSTALL_PORTABLE_BASE: path,
}, { requiredKeys: [] });

Deno.test("every location is absolute, whatever is set", () => {
  fc.assert(fc.property(settings, fc.array(line), (env, lines) => {
    const files = {
      "/home/ann/.config/0install.net/injector/implementation-dirs": lines.join("\n"),
    };
    const stores = locate({ env: { ...HOME, ...env }, files });
    assert.ok(stores.length > 0);
    for (const store of stores) assert.match(store, /^\//);
  }));
});

Deno.test({
  name: "the locations are those that 0install prints, in its order, whatever is set",
  ...needs("oracle"),
  async fn() {
    using scratch = new Scratch();
    const home = scratch.directory("home");
    const config = scratch.directory("config/0install.net/injector");
    const shared = scratch.directory("shared/0install.net/injector");
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(line, { maxLength: 5 }),
        fc.array(line, { maxLength: 3 }),
        async (variables, own, others) => {
          Deno.writeTextFileSync(`${config}/implementation-dirs`, own.join("\n"));
          Deno.writeTextFileSync(`${shared}/implementation-dirs`, others.join("\n"));
          const env: Record<string, string> = {
            HOME: home,
            XDG_CONFIG_HOME: `${scratch.path}/config`,
            XDG_CONFIG_DIRS: `${scratch.path}/shared`,
            ...variables,
          };
          const stores = storeLocations({
            ...systemEnvironment(),
            get: (name) => env[name],
            cwd: () => home,
          });
          const printed = await zeroInstallStores(env, home);
          assert.deepEqual(stores, printed);
        },
      ),
      { numRuns: 60 },
    );
  },
});

/** What `0install store list` prints, made absolute. */
async function zeroInstallStores(env: Record<string, string>, cwd: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("0install", {
    args: ["store", "list"],
    env: { ...env, PATH: Deno.env.get("PATH") ?? "", LANG: "C.UTF-8" },
    clearEnv: true,
    cwd,
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).split("\n").flatMap((text) => {
    const store = /^(?:User store \(writable\)|System store {10}) ?: ([^]*)$/.exec(text)?.[1];
    if (store === undefined) return [];
    return [store.startsWith("/") ? store : `${cwd}/${store}`];
  });
}

Deno.test({
  name: "what may not be read is as if it were not set, without a prompt",
  permissions: { env: false, read: false, sys: false },
  fn() {
    const env = systemEnvironment();
    assert.equal(env.get("HOME"), undefined);
    assert.equal(env.readTextFile("/etc/passwd"), undefined);
    assert.equal(env.isForeignHome?.("/"), false);
    if (env.os === "linux") assert.equal(storeLocations(env)[1], SYSTEM);
  },
});

Deno.test("the caches are where the first stores are", () => {
  fc.assert(fc.property(
    fc.record({ HOME: path, XDG_CACHE_HOME: path, XDG_CACHE_DIRS: list }, { requiredKeys: [] }),
    fc.option(path, { nil: undefined }),
    fc.constantFrom("linux" as const, "darwin" as const, "windows" as const),
    (variables, portable, os) => {
      const env = {
        ...variables,
        ...(portable === undefined ? {} : { ZEROINSTALL_PORTABLE_BASE: portable }),
      };
      const environment: Environment = {
        get: (name) => env[name as keyof typeof env],
        os,
        readTextFile: () => undefined,
        cwd: () => "/current",
      };
      assert.deepEqual(
        cacheLocations(environment).map((cache) => `${cache}/implementations`),
        storeLocations(environment),
      );
    },
  ));
});
