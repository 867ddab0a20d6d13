/** What the serving role must not be able to do; nor to read more than the stores. */
const FORBIDDEN = ["write", "run", "env", "ffi"] as const;

/** Which of the powers that serving must not have this thread has. Asks nobody and never prompts. */
export function forbiddenPowers(): Deno.PermissionName[] {
  return [...FORBIDDEN, "read" as const].filter((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}

/**
 * Tries, in the thread that serves, what it must not be able to do, and says what succeeded.
 * The permission states are what Deno says of itself; this is what it does.
 *
 * Only for a thread whose permissions are settled: elsewhere Deno would ask the person.
 */
export function tryForbidden(): string[] {
  const attempts: Record<string, () => unknown> = {
    "read outside the stores": () => Deno.lstatSync(Deno.build.os === "windows" ? "C:\\" : "/"),
    "write": () => Deno.mkdirSync(`0share-must-not-write-${Deno.pid}`),
    "read the environment": () => Deno.env.get("HOME"),
    "run programs": () => new Deno.Command("true").spawn(),
    "call native libraries": () => Deno.dlopen("libc.so.6", {}),
  };
  return Object.keys(attempts).filter((what) => {
    try {
      attempts[what]!();
      return true;
    } catch (error) {
      return !(error instanceof Deno.errors.NotCapable);
    }
  });
}

/** Gives up, for good, everything that the supervising thread does not need any more. */
export function giveUpPowers(): void {
  for (const name of ["write", "run", "env", "ffi", "read", "net"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "denied") {
      Deno.permissions.revokeSync({ name });
    }
  }
}
