import { type Digest, isDigest } from "../manifest/digest.ts";
import { InvalidDocument } from "../errors.ts";
import { type Element, parseDocument, ZERO_INSTALL } from "./xml.ts";

/** A feed, as far as it says what implementations are called. */
export interface Feed {
  readonly name: string;
  /** Where it comes from; a local feed has none. */
  readonly uri: string | undefined;
  /** In the order of the feed. */
  readonly implementations: readonly FeedImplementation[];
}

/** An implementation that a feed describes. */
export interface FeedImplementation {
  /** Names of its one tree, in the order of the feed; empty if it has no digest. */
  readonly digests: readonly Digest[];
  /** With its modifier; undefined if neither it nor a group around it has one. */
  readonly version: string | undefined;
}

/** Groups in groups; real feeds have three. */
const MAX_DEPTH = 100;

/** What an implementation inherits from the groups around it. */
interface Inherited {
  readonly version: string | undefined;
  readonly modifier: string | undefined;
}

/**
 * Reads a feed, with or without the signature that may follow the document as a comment. Does not
 * check the signature: whoever put the feed into a cache did.
 *
 * Zero Install's feed specification, with everything that is not asked here left out. What is in
 * other namespaces is skipped, and so is what no digest can be: a local path as an id, an algorithm
 * that is not known.
 *
 * @param what names the feed in errors
 * @throws InvalidDocument
 */
export function parseFeed(bytes: Uint8Array, what = "feed"): Feed {
  const root = parseDocument(bytes, what);
  if (root.namespace !== ZERO_INSTALL || !["interface", "feed"].includes(root.name)) {
    throw new InvalidDocument(
      what,
      `its root must be <interface> of Zero Install's namespace, and is <${root.name}>`,
    );
  }
  const name = root.children().find((child) => child.name === "name")?.text()
    .trim().replace(/\s+/g, " ");
  if (!name) throw new InvalidDocument(what, "it has no <name>");
  const implementations: FeedImplementation[] = [];
  const collect = (group: Element, inherited: Inherited, depth: number) => {
    if (depth > MAX_DEPTH) throw new InvalidDocument(what, "its groups are nested too deep");
    for (const child of group.children()) {
      if (child.name !== "group" && child.name !== "implementation") continue;
      const own: Inherited = {
        version: child.attributes["version"] ?? inherited.version,
        modifier: child.attributes["version-modifier"] ?? inherited.modifier,
      };
      if (child.name === "group") collect(child, own, depth + 1);
      else {
        const version = own.version === undefined ? undefined : own.version + (own.modifier ?? "");
        implementations.push({ digests: digestsOf(child), version });
      }
    }
  };
  collect(root, { version: undefined, modifier: undefined }, 0);
  return { name, uri: root.attributes["uri"], implementations };
}

/**
 * The digests of an `<implementation>` or a `<selection>`: its id if that is one, and the attributes
 * of its `<manifest-digest>`.
 */
export function digestsOf(implementation: Element): Digest[] {
  const digests = new Set<Digest>();
  const { id } = implementation.attributes;
  if (id !== undefined && isDigest(id)) digests.add(id);
  for (const child of implementation.children()) {
    if (child.name !== "manifest-digest") continue;
    for (const [algorithm, value] of Object.entries(child.attributes)) {
      const text = `${algorithm}${algorithm === "sha256new" ? "_" : "="}${value}`;
      if (isDigest(text)) digests.add(text);
    }
  }
  return [...digests];
}
