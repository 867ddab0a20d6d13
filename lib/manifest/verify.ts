import { InvalidManifest, VerificationFailed } from "../errors.ts";
import { manifestDifference } from "./difference.ts";
import { type Algorithm, algorithmOf, type Digest } from "./digest.ts";
import { digestOf } from "./digest_of.ts";
import { MANIFEST_NAME, pathOf } from "./entry.ts";
import { generateManifest, type GenerateOptions } from "./generate.ts";
import { formatManifest, parseManifest } from "./manifest.ts";

/**
 * Makes sure that a directory tree is the one that a digest names, and that its `.manifest`, if it
 * has one, is too. As in Zero Install a missing `.manifest` is no failure.
 *
 * Where the system does not keep which files are executable, as Windows, the `.manifest` tells.
 *
 * @param root the tree, whatever it is called
 * @throws VerificationFailed whose message has the expected digest, those of the tree and of its
 *   `.manifest`, and the lines that differ when the `.manifest` is right
 * @throws UnsupportedTree and others as `generateManifest` does
 */
export async function verifyTree(
  digest: Digest,
  root: string,
  options: GenerateOptions = {},
): Promise<void> {
  const algorithm = algorithmOf(digest);
  const recorded = readRecorded(root);
  const executables = KEEPS_MODES ? undefined : executablesOf(algorithm, recorded);
  const made = await generateManifest(algorithm, root, { executables, ...options });
  const contents = formatManifest(made);
  const actual = digestOf(algorithm, contents);
  const inRecord = recorded instanceof Uint8Array ? digestOf(algorithm, recorded) : undefined;
  if (actual === digest && (recorded === "missing" || inRecord === digest)) return;
  const explanation = [
    `${JSON.stringify(root)} does not verify:`,
    `${digest} (expected digest)`,
    `${actual} (actual contents)`,
    ...(inRecord === undefined ? [] : [`${inRecord} (recorded in ${MANIFEST_NAME})`]),
    "",
    ...explain({ algorithm, digest, actual, inRecord, recorded, contents }),
  ];
  throw new VerificationFailed(root, digest, actual, explanation.join("\n"));
}

/** The bytes of a tree's `.manifest`, or why there are none. */
type Recorded = Uint8Array | "missing" | "irregular";

interface Findings {
  readonly algorithm: Algorithm;
  readonly digest: Digest;
  readonly actual: Digest;
  readonly inRecord: Digest | undefined;
  readonly recorded: Recorded;
  readonly contents: Uint8Array;
}

function explain(findings: Findings): string[] {
  const { algorithm, digest, actual, inRecord, recorded, contents } = findings;
  if (recorded === "missing") return [`There is no ${MANIFEST_NAME} to say what has changed`];
  if (recorded === "irregular") return [`${MANIFEST_NAME} is not an ordinary file`];
  if (inRecord === actual) {
    return [`${MANIFEST_NAME} describes the contents: this is another implementation`];
  }
  if (actual === digest) return [`The contents are right, but ${MANIFEST_NAME} is wrong`];
  if (inRecord !== digest) return [`${MANIFEST_NAME} describes neither of the other two`];
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return [
    `${MANIFEST_NAME} is right, but the contents have changed:`,
    "- Recorded",
    "+ Actual",
    ...manifestDifference(decoder.decode(recorded), decoder.decode(contents), {
      old: algorithm === "sha1",
    }),
  ];
}

const KEEPS_MODES = Deno.build.os !== "windows";

/** The paths of the executable files, as far as there is a manifest that lists any. */
function executablesOf(algorithm: Algorithm, recorded: Recorded): Set<string> {
  const paths = new Set<string>();
  if (!(recorded instanceof Uint8Array)) return paths;
  try {
    for (const entry of parseManifest(algorithm, recorded).entries) {
      if (entry.kind === "file" && entry.executable) paths.add(pathOf(entry));
    }
  } catch (error) {
    if (!(error instanceof InvalidManifest)) throw error;
  }
  return paths;
}

/** The bytes of the tree's `.manifest`; anything but an ordinary file is not looked into. */
function readRecorded(root: string): Recorded {
  const path = `${root}/${MANIFEST_NAME}`;
  try {
    return Deno.lstatSync(path).isFile ? Deno.readFileSync(path) : "irregular";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    throw error;
  }
}
