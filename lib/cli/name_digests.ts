import { type Digest, isDigest } from "../manifest/digest.ts";

/** Says what an implementation is called, safe for a terminal; undefined if nobody knows. */
export type NameOf = (digest: Digest) => string | undefined;

const CANDIDATE = /sha(?:1|1new|256)=[0-9a-f]+|sha256new_[A-Z2-7]+/;

/**
 * The line with the name of each implementation behind its digest: `Yes, we have sha1new=84e3…
 * (Name 1.2)`. A digest in a path, such as that of a request, has it behind the path.
 *
 * What stands in quotes stays as it is, because that is for copying; so does all else. Only the
 * first digest of a word counts: joined by commas they name one tree.
 */
export function nameDigests(line: string, nameOf: NameOf): string {
  if (!CANDIDATE.test(line)) return line;
  const told = new Set<string>();
  let quoted = false;
  return line.replace(/\S+/g, (word) => {
    const quotes = word.split('"').length - 1;
    const within = quoted || quotes > 0;
    if (quotes % 2 === 1) quoted = !quoted;
    if (within) return word;
    const digest = CANDIDATE.exec(word)?.[0];
    if (digest === undefined || !isDigest(digest) || told.has(digest)) return word;
    const name = nameOf(digest);
    if (name === undefined) return word;
    told.add(digest);
    // "sha1new=84e3…)," ends a parenthesis and a clause.
    const end = /[,:;)]*$/.exec(word)!.index;
    return `${word.slice(0, end)} (${name})${word.slice(end)}`;
  });
}
