import assert from "node:assert/strict";
import fc from "fast-check";
import { findProgram, isWrapper } from "../../lib/zeroinstall/program.ts";
import { WRAPPED, wrapperText } from "../../lib/zeroinstall/wrapper.ts";
import { needs } from "../skips.ts";
import { TemporaryDirectory } from "../e2e/lib/sandbox_env.ts";

/** Prints its arguments, one a line, each in brackets. */
const SHOW = `#!/bin/sh\nfor word; do printf '[%s]\\n' "$word"; done\n`;

class Directories {
  constructor(readonly directory: TemporaryDirectory) {
    for (const name of ["early", "late", "share"]) Deno.mkdirSync(`${directory.path}/${name}`);
  }

  write(path: string, text: string, mode = 0o755): string {
    const absolute = `${this.directory.path}/${path}`;
    Deno.writeTextFileSync(absolute, text, { mode });
    return absolute;
  }

  /** A 0share that says so, which the wrapper of a program calls. */
  wrap(program: typeof WRAPPED[number]): string {
    const share = this.write("share/0share", "#!/bin/sh\necho 0share\n");
    const target = { command: [share], files: [], options: [] };
    this.write(`early/${program}`, wrapperText(program, target));
    return share;
  }

  get path(): string {
    return `${this.directory.path}/early:${this.directory.path}/late`;
  }

  /** Calls a program by its name, in a shell of its own. */
  call(shell: string, name: string, args: readonly string[]): string[] {
    return this.#lines(shell, [`${this.directory.path}/early/${name}`, ...args]);
  }

  /** The same with what a shell makes of `words`, which need not be UTF-8, behind other commands. */
  callWith(shell: string, name: string, words: string, before: string): string[] {
    const line = `${before}; ${shell} ${this.directory.path}/early/${name} ${words}`;
    return this.#lines("/bin/sh", ["-c", line]);
  }

  #lines(command: string, args: readonly string[]): string[] {
    const { stdout, stderr } = new Deno.Command(command, {
      args: [...args],
      // With the programs of the system.
      env: { PATH: `${this.path}:/usr/bin:/bin` },
      clearEnv: true,
    }).outputSync();
    const decoder = new TextDecoder();
    assert.equal(decoder.decode(stderr), "");
    return decoder.decode(stdout).split("\n").slice(0, -1);
  }
}

const SHELLS = ["/bin/sh", "/bin/bash"].filter((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

for (const shell of SHELLS) {
  Deno.test({
    name: `in ${shell}, any word of the command, the options and the arguments arrives as it is`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const directories = new Directories(directory);
      const share = directories.write("share/0share", SHOW);
      directories.write("late/0install", SHOW);
      const word = fc.oneof(
        fc.constantFrom("'", "a b", "$HOME", "`id`", "*", "\\", '"', "", "-n", "é"),
        fc.string().map((text) => text.replace(/[\0\n]/g, "_")),
      );
      fc.assert(
        fc.property(fc.array(word), fc.array(word), (options, args) => {
          directories.write(
            "early/0install",
            wrapperText("0install", { command: [share], files: [], options }),
          );
          const real = `${directory.path}/late/0install`;
          const lines = directories.call(shell, "0install", ["run", ...args]);
          const limit = lines[options.length + 4]!;
          assert.deepEqual(lines, [
            ...["0install", ...options, "--real", real, "--open-files"].map((w) => `[${w}]`),
            limit,
            ...["--", "run", ...args].map((w) => `[${w}]`),
          ]);
          assert.match(limit, /^\[(\d+|unlimited)\]$/);
        }),
        { numRuns: 30 },
      );
    },
  });
}

/** Prints the last argument in hexadecimal. */
const SHOW_BYTES = `#!/bin/sh
for word; do :; done
printf %s "$word" | od -An -v -tx1 | tr -d ' \\n'
echo
`;

/** A word of the shell that stands for these bytes. */
function bytesForShell(bytes: Uint8Array): string {
  const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`);
  return `"$(printf '${octal.join("")}')"`;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

for (const shell of SHELLS) {
  Deno.test({
    name:
      `in ${shell}, what is not UTF-8 goes to the real program as it is, all else through 0share`,
    ...needs("posix"),
    fn: async () => {
      await using directory = new TemporaryDirectory();
      const directories = new Directories(directory);
      for (const program of WRAPPED) {
        directories.write(`late/${program}`, SHOW_BYTES);
        directories.wrap(program);
      }
      const encoder = new TextEncoder();
      const part = fc.oneof(
        fc.string({ unit: "binary", maxLength: 3 })
          .map((text) => encoder.encode(text.replaceAll("\0", "_"))),
        fc.uint8Array({ min: 1, maxLength: 3 }),
        // Too long, of a surrogate, too great, and cut off.
        fc.constantFrom([0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82])
          .map((bytes) => new Uint8Array(bytes)),
      );
      fc.assert(
        fc.property(
          fc.array(part, { maxLength: 3 }),
          fc.constantFrom("C", "C.UTF-8"),
          fc.constantFrom(...WRAPPED),
          (parts, locale, program) => {
            // The shell takes newlines from the end.
            const bytes = new Uint8Array([...parts.flatMap((part) => [...part]), 0x2e]);
            const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
            const words = `run ${bytesForShell(bytes)}`;
            assert.deepEqual(
              directories.callWith(shell, program, words, `export LC_ALL=${locale}`),
              [isUtf8(bytes) ? "0share" : hex],
            );
          },
        ),
        { numRuns: 100 },
      );
    },
  });
}

Deno.test({
  name: "where 0share could not work, or nobody can tell, the real program is called",
  ...needs("posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const directories = new Directories(directory);
    directories.wrap("0install");
    directories.write("late/0install", "#!/bin/sh\necho real\n");
    const latin = "$(printf 'caf\\351')";
    for (
      const [before, words, expected] of [
        [":", "run é", "0share"],
        [`PATH=${directories.path}`, "run a", "0share"],
        [`PATH=${directories.path}`, "run é", "real"],
        [`export PATH="$PATH:/${latin}"`, "run a", "real"],
        [`export HOME="/${latin}"`, "run a", "real"],
        [
          `cd ${directory.path}; mkdir "${latin}"; cd "${latin}"; trap 'rmdir "$PWD"' EXIT`,
          "run a",
          "real",
        ],
      ] as const
    ) {
      const lines = directories.callWith("/bin/sh", "0install", words, before);
      assert.deepEqual(lines, [expected], before);
    }
  },
});

Deno.test({
  name: "only what may download goes through 0share",
  ...needs("posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const directories = new Directories(directory);
    directories.write("late/0install", "#!/bin/sh\necho real\n");
    directories.write("late/0launch", "#!/bin/sh\necho launch\n");
    const [share] = WRAPPED.map((program) => directories.wrap(program));
    const cases: [string, string, string][] = [
      ["0install", "run URI", "0share"],
      ["0install", "-c --offline --with-store=/x download URI", "0share"],
      ["0install", "update app", "0share"],
      ["0install", "add app URI", "0share"],
      ["0install", "", "real"],
      ["0install", "select run", "real"],
      ["0install", "--version run", "real"],
      ["0install", "--with-store run URI", "real"],
      ["0install", "_update-bg -- app run", "real"],
      ["0install", "runenv", "real"],
      ["0launch", "URI", "0share"],
      ["0launch", "-c URI", "0share"],
      ["0launch", "--version", "launch"],
      ["0launch", "-h", "launch"],
      ["0launch", "", "launch"],
    ];
    for (const [program, args, expected] of cases) {
      const words = args.split(" ").filter((word) => word !== "");
      assert.deepEqual(directories.call("/bin/sh", program, words), [expected], args);
    }
    Deno.removeSync(share!);
    assert.deepEqual(directories.call("/bin/sh", "0install", ["run"]), ["real"]);
    assert.deepEqual(directories.call("/bin/sh", "0launch", ["URI"]), ["launch"]);
  },
});

Deno.test({
  name: "the real program is the first on the PATH that can be run and is no wrapper",
  ...needs("posix"),
  fn: async () => {
    await using directory = new TemporaryDirectory();
    const directories = new Directories(directory);
    const search = { path: directories.path, os: "linux" };
    assert.equal(findProgram("0install", search), undefined);
    const text = wrapperText("0install", { command: ["/0share"], files: [], options: [] });
    const wrapper = directories.write("early/0install", text);
    const real = directories.write("late/0install", "#!/bin/sh\n");
    assert.equal(isWrapper(wrapper), true);
    assert.equal(isWrapper(real), false);
    assert.equal(findProgram("0install", search), real);
    Deno.removeSync(wrapper);
    Deno.symlinkSync(real, wrapper);
    assert.equal(findProgram("0install", search), wrapper);
    Deno.removeSync(wrapper);
    directories.write("early/0install", "#!/bin/sh\n", 0o644);
    assert.equal(findProgram("0install", search), real);
    Deno.removeSync(wrapper);
    Deno.mkdirSync(wrapper);
    assert.equal(findProgram("0install", search), real);
  },
});
