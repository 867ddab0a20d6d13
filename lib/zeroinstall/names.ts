import { InvalidDocument } from "../errors.ts";
import type { Digest } from "../manifest/digest.ts";
import { type Feed, parseFeed } from "./feeds.ts";

/** What people call an implementation. */
export interface ImplementationName {
  /** The program's, as its feed has it: any characters. */
  readonly name: string;
  readonly version: string | undefined;
  /** The feed's URI. */
  readonly feed: string | undefined;
}

/** Up to so many digests are looked for one by one; more, by comparing all that a feed has. */
const FEW = 4;

/**
 * What may be a digest, with its value: an id, or an attribute. Begins with letters and not with a
 * class of characters, which makes it ten times as fast.
 */
const DIGESTS = /sha(?:1|256)(?:new)?(?:[=_]|\s*=\s*["'])([0-9A-Za-z]{40,64})/g;

/**
 * What feeds call these digests: the first feed that knows one names it. Takes no more feeds than
 * are needed, and parses those alone in which one of the digests occurs: parsing takes a hundred
 * times as long as looking for it.
 *
 * @param feeds bytes that may be anything; those that are no feed name nothing
 */
export function findNames(
  digests: Iterable<Digest>,
  feeds: Iterable<Uint8Array>,
): Map<Digest, ImplementationName> {
  const names = new Map<Digest, ImplementationName>();
  const unnamed = new Map(Array.from(digests, (digest) => [digest, valueOf(digest)]));
  if (unnamed.size === 0) return names;
  for (const bytes of feeds) {
    if (!mentionsAny(bytes, unnamed.values())) continue;
    for (const [digest, name] of namesIn(bytes)) {
      if (unnamed.delete(digest)) names.set(digest, name);
    }
    if (unnamed.size === 0) break;
  }
  return names;
}

function mentionsAny(bytes: Uint8Array, values: Iterable<string>): boolean {
  const wanted = new Set(values);
  // Tolerant: what is not UTF-8 is found out by parsing.
  const text = new TextDecoder().decode(bytes);
  if (wanted.size <= FEW) return [...wanted].some((value) => text.includes(value));
  for (const [, value] of text.matchAll(DIGESTS)) if (wanted.has(value!)) return true;
  return false;
}

function* namesIn(bytes: Uint8Array): Generator<[Digest, ImplementationName]> {
  let feed: Feed;
  try {
    feed = parseFeed(bytes);
  } catch (error) {
    if (error instanceof InvalidDocument) return;
    throw error;
  }
  for (const { digests, version } of feed.implementations) {
    for (const digest of digests) yield [digest, { name: feed.name, version, feed: feed.uri }];
  }
}

/** The part of a digest that is the same in an id and as an attribute. */
function valueOf(digest: Digest): string {
  return digest.slice(digest.search(/[=_]/) + 1);
}
