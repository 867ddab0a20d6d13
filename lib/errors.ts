/**
 * Every failure that is expected, on one page. Whoever throws one of these has left nothing
 * half-done; whoever catches one can tell from its class what happened and from its fields to whom.
 *
 * A message says what was being done, what was needed and what was found. `hint` says what the
 * person at the terminal can do about it. The exit code of each class is in `lib/cli/exit.ts`.
 */
export class ShareError extends Error {
  /** What to do about it, as a sentence without a final period. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** A command line that means nothing: unknown option, missing argument, bad value. */
export class UsageError extends ShareError {}

/** A text that is not the name of a digest. */
export class InvalidDigest extends ShareError {
  constructor(readonly text: string, reason: string) {
    super(`Cannot use ${JSON.stringify(text)} as a digest: ${reason}`, {
      hint: "a digest looks like sha256new_ABC… or sha1new=84e3…; it is in the program's feed",
    });
  }
}

/** A manifest that Zero Install would not have written. */
export class InvalidManifest extends ShareError {
  /** `line` counts from 1. */
  constructor(reason: string, readonly line?: number) {
    super(`Cannot read manifest${line === undefined ? "" : `, line ${line}`}: ${reason}`);
  }
}

/** The bytes of a manifest do not hash to the digest that they were asked for by. */
export class ManifestMismatch extends ShareError {
  constructor(readonly expected: string, readonly actual: string) {
    super(`Manifest does not match its digest: expected ${expected}, found ${actual}`);
  }
}

/** A directory tree that no manifest can describe: a device, a newline in a name, … */
export class UnsupportedTree extends ShareError {
  constructor(readonly path: string, reason: string) {
    super(`Cannot make a manifest of ${JSON.stringify(path)}: ${reason}`);
  }
}

/** A tree in which something is not any more what it was a moment ago: nothing is known of it. */
export class TreeChanged extends UnsupportedTree {
  constructor(path: string) {
    super(path, "it changed while it was read");
  }
}

/** A tree that is not what its digest says. `message` holds the differences, a line each. */
export class VerificationFailed extends ShareError {
  /** `actual` is undefined when no manifest can describe the tree. */
  constructor(
    readonly path: string,
    readonly expected: string,
    readonly actual: string | undefined,
    explanation: string,
  ) {
    super(explanation);
  }
}

/** A file of a tree is not what the tree's manifest lists, seen while serving or copying it. */
export class DamagedImplementation extends ShareError {
  constructor(readonly digest: string, readonly path: string, reason: string) {
    super(`Cannot use ${path} of ${digest}: ${reason}`, {
      hint: `check it with: 0share verify ${digest}`,
    });
  }
}

/** A peer could not be asked, or stopped answering: nothing it said was wrong. */
export class PeerFailed extends ShareError {
  constructor(readonly peer: string, reason: string, options: { cause?: unknown } = {}) {
    super(`Peer ${peer} failed: ${reason}`, options);
  }
}

/** A peer has not what it says it has: asking again is of no use. */
export class PeerLacks extends PeerFailed {}

/** A peer sent something that does not verify. */
export class PeerLied extends ShareError {
  constructor(readonly peer: string, reason: string, options: { cause?: unknown } = {}) {
    super(`Peer ${peer} sent what does not verify: ${reason}`, options);
  }
}

/**
 * A peer gave on, while it was getting the same, what does not verify: it may have believed the piece
 * digests of one that lied.
 */
export class PeerMisled extends PeerLied {}

/** A peer asks to come back later: no fault, and nothing wrong. */
export class PeerBusy extends ShareError {
  constructor(readonly peer: string, readonly retryAfterSeconds: number) {
    super(`Peer ${peer} has no place now: it asks to come back in ${retryAfterSeconds} seconds`);
  }
}

/** A peer brings so little that others have a turn in its place: no fault either. */
export class PeerSlow extends ShareError {
  constructor(readonly peer: string, readonly bytesPerSecond: number) {
    super(
      `Peer ${peer} makes way for others: it brings ${Math.round(bytesPerSecond)} bytes a second`,
    );
  }
}

/** Bytes that are not in the coding that they claim to be in, or expand to another size. */
export class InvalidCoding extends ShareError {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`Cannot decode: ${reason}`, options);
  }
}

/** Bytes that are not a tar archive, or one that says what no archive of an implementation may say. */
export class InvalidArchive extends ShareError {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`Cannot read archive: ${reason}`, options);
  }
}

/** A document of Zero Install, a feed or selections, that cannot be read. */
export class InvalidDocument extends ShareError {
  /** @param what the kind of document and, where it is known, its place */
  constructor(what: string, reason: string, options: { hint?: string; cause?: unknown } = {}) {
    super(`Cannot read ${what}: ${reason}`, options);
  }
}

/** Nobody on the network has any of these digests. */
export class NobodyHasIt extends ShareError {
  constructor(readonly digests: readonly string[], asked: string, hint: string) {
    super(`Nobody has ${digests.join(" or ")}: ${asked}`, { hint });
  }
}

/**
 * Peers had it, or those that were named were asked for it, but none of them could deliver it; `lied`
 * says whether any sent wrong bytes.
 */
export class EveryPeerFailed extends ShareError {
  /** @param options.named whether nobody has said that he has it: the person at the terminal has */
  constructor(
    readonly digest: string,
    readonly reasons: readonly string[],
    readonly lied: boolean,
    { named = false, cause }: { named?: boolean; cause?: unknown } = {},
  ) {
    const peers = named ? "no peer that was named" : "no peer that has it";
    super(`Cannot fetch ${digest}: ${peers} could deliver it\n${reasons.join("\n")}`, {
      cause,
      hint: lied
        ? "verify it on the peer named above with: 0share verify"
        : named
        ? 'check that "0share serve" runs there, on that port, and that the firewall lets TCP in'
        : "run the same command again: it goes on where it stopped",
    });
  }
}

/** No store can be written. */
export class NoWritableStore extends ShareError {}

/** A store refused a change: full disk, read-only file system, permissions. */
export class StoreFailed extends ShareError {}

/** A socket could not be opened: port in use, no interface, address refused. */
export class NetworkFailed extends ShareError {}

/** Results cannot be written: what standard output goes to is full, for example. */
export class OutputFailed extends ShareError {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`Cannot write to standard output: ${reason}`, options);
  }
}

/** The person at the terminal, or the system, ended it. */
export class Interrupted extends ShareError {
  constructor() {
    super("Interrupted", { hint: "run the same command again: it goes on where it stopped" });
  }
}

/** There is no `0install` that could be run. */
export class ZeroInstallMissing extends ShareError {
  constructor(readonly program: string, reason: string) {
    super(`Cannot run ${JSON.stringify(program)}: ${reason}`, {
      hint: "install Zero Install: the package 0install-core of Debian, 0install of others",
    });
  }
}
