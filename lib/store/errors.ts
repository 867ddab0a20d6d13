import { ShareError, StoreFailed } from "../errors.ts";

interface Kind {
  readonly reason: string;
  readonly hint?: string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  ENOSPC: {
    reason: "no space left on the device",
    hint: "make room, for example by removing old implementations with: 0install store manage",
  },
  EDQUOT: {
    reason: "the disk quota is used up",
    hint: "make room, for example by removing old implementations with: 0install store manage",
  },
  EROFS: {
    reason: "the file system is read-only",
    hint: "choose a store that can be written with: --store DIR",
  },
  EACCES: {
    reason: "permission denied",
    hint: "check who owns it, or choose another store with: --store DIR",
  },
  EPERM: {
    reason: "operation not permitted",
    hint: "check who owns it, or choose another store with: --store DIR",
  },
  ENAMETOOLONG: {
    reason: "the file system has no room for so long a name",
    hint: "choose a store with a shorter path, or on another file system, with: --store DIR",
  },
  EILSEQ: {
    reason: "the file system does not accept such a name",
    hint: "choose a store on another file system with: --store DIR",
  },
  EMFILE: { reason: "too many files are open", hint: "raise the limit with: ulimit -n 4096" },
  EIO: { reason: "input/output error", hint: "the disk may be failing: look at the system's log" },
};

/**
 * What to throw when an operation on a store's files failed.
 *
 * A failure of the operating system becomes StoreFailed with a reason in words and, where there is
 * something to do about it, a hint; `cause` is kept. Anything else (an expected failure that has
 * its class already, an abort, a defect of this program) is given back as it is.
 *
 * @param action what was being done, as a verb: the message continues with the path
 */
export function storeError(action: string, path: string, cause: unknown): unknown {
  if (cause instanceof ShareError || !isSystemError(cause)) return cause;
  const kind = KINDS[systemCode(cause)] ?? (cause instanceof Deno.errors.NotCapable
    ? {
      reason: "this process was not permitted to",
      hint: "run it with the permission: --allow-write",
    }
    : { reason: cause.message });
  return new StoreFailed(`Cannot ${action} ${JSON.stringify(path)}: ${kind.reason}`, {
    hint: kind.hint,
    cause,
  });
}

/** The reason alone, for a message that tells of several paths. */
export function reasonOf(cause: unknown): string {
  if (!isSystemError(cause)) return cause instanceof Error ? cause.message : String(cause);
  return KINDS[systemCode(cause)]?.reason ?? cause.message;
}

/** Such as ENOSPC; empty when the system gave none. */
function systemCode(cause: unknown): string {
  if (!(cause instanceof Error) || !("code" in cause)) return "";
  return typeof cause.code === "string" ? cause.code : "";
}

/** Deno gives many of them, a full disk among them, as a plain Error with a `code`. */
function isSystemError(cause: unknown): cause is Error {
  return cause instanceof Error &&
    (systemCode(cause) !== "" || cause instanceof Deno.errors.NotCapable ||
      cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotFound);
}
