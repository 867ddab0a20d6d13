/**
 * Turning this process into another program, which Deno itself cannot do: `execv` of the system's C
 * library. The program then has this process's id, terminal, job and parent, so that nothing has to
 * be forwarded and nothing can be forwarded wrongly.
 *
 * What a program inherits through `execv`, and who looks after it: open files are all
 * close-on-exec in Deno, but for the standard three; threads end; signal handlers are undone by the
 * system, ignored signals stay ignored, and of these Deno adds SIGPIPE, which is undone here; Deno
 * blocks no signals. It raises the soft limit of open files to the hard one, which its child
 * processes inherit as well: it is put back when it is known.
 */

const LIBRARIES: Readonly<Partial<Record<typeof Deno.build.os, string>>> = {
  linux: "libc.so.6",
  darwin: "/usr/lib/libSystem.B.dylib",
};

/** SIGPIPE on Linux and macOS. */
const SIGPIPE = 13;

/** RLIMIT_NOFILE. */
const OPEN_FILES: Readonly<Record<string, number>> = { linux: 7, darwin: 8 };

/**
 * Becomes the program, or returns because that is not possible here: an unusual system, or no
 * permission to call native code.
 *
 * @param program a path
 * @param options.openFiles the soft limit of open files that the program is to have
 */
export function replaceProcess(
  program: string,
  args: readonly string[],
  options: { openFiles?: number | undefined } = {},
): void {
  const library = LIBRARIES[Deno.build.os];
  const permission = Deno.permissions.querySync({ name: "ffi" });
  if (library === undefined || permission.state !== "granted") return;
  let libc;
  try {
    libc = Deno.dlopen(library, {
      execv: { parameters: ["buffer", "buffer"], result: "i32" },
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
      getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
      setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    });
  } catch {
    return;
  }
  const { execv, signal, getrlimit, setrlimit } = libc.symbols;
  // A signal that is ignored for us is ignored for the program; the null pointer is SIG_DFL.
  const before = signal(SIGPIPE, null);
  if (options.openFiles !== undefined) {
    const limit = new BigUint64Array(2);
    const kind = OPEN_FILES[Deno.build.os]!;
    if (getrlimit(kind, limit) === 0 && BigInt(options.openFiles) < limit[0]!) {
      limit[0] = BigInt(options.openFiles);
      setrlimit(kind, limit);
    }
  }
  // argv[0] is the path: Zero Install finds itself by it.
  const words = [program, ...args].map(cString);
  execv(words[0]!, pointersTo(words));
  signal(SIGPIPE, before);
  libc.close();
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** A NULL-terminated array; the strings must be kept alive by the caller. */
function pointersTo(strings: readonly Uint8Array<ArrayBuffer>[]): BigUint64Array<ArrayBuffer> {
  const pointers = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    pointers[index] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(string));
  });
  return pointers;
}
