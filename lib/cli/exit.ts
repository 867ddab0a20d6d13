import {
  EveryPeerFailed,
  InvalidDigest,
  ManifestMismatch,
  NobodyHasIt,
  UsageError,
  VerificationFailed,
} from "../errors.ts";

/** Exit codes, as `--help` and the README list them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  nobody: 3,
  unverified: 4,
} as const;

export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** The one place where a failure becomes an exit code. */
export function exitCodeFor(error: unknown): ExitCode {
  if (error instanceof UsageError || error instanceof InvalidDigest) return EXIT.usage;
  if (error instanceof NobodyHasIt) return EXIT.nobody;
  if (error instanceof EveryPeerFailed) return error.lied ? EXIT.unverified : EXIT.nobody;
  if (error instanceof VerificationFailed || error instanceof ManifestMismatch) {
    return EXIT.unverified;
  }
  return EXIT.failed;
}
