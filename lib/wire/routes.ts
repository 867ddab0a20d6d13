import { InvalidDigest } from "../errors.ts";
import { type Digest, parseDigest, parseDigestList } from "../manifest/digest.ts";
import { MAX_PATH_LENGTH } from "./limits.ts";

export type ArchiveFormat = "tar" | "tar.gz" | "tar.zst";

/** What the path and the query of a request ask for. */
export type Route =
  /** The tree as a tar: the route of 2008. */
  | { readonly kind: "tree"; readonly digest: Digest }
  | { readonly kind: "manifest"; readonly digest: Digest }
  | { readonly kind: "content"; readonly digest: Digest }
  /** Which pieces are here: at once, or when that is no longer what is known, or `wait` is over. */
  | {
    readonly kind: "availability";
    readonly digest: Digest;
    /** In seconds. */
    readonly wait?: number;
    /** A bitfield of the pieces that the client knows to be here; otherwise what is here now. */
    readonly known?: string;
  }
  /** Pieces `first` to `last`, inclusive. */
  | {
    readonly kind: "pieces";
    readonly digest: Digest;
    readonly first: number;
    readonly last: number;
  }
  /** One of the pieces that the client lacks, by a bitfield; the server chooses. */
  | { readonly kind: "any-piece"; readonly digest: Digest; readonly lacks: string }
  | { readonly kind: "piece-digests"; readonly digest: Digest }
  /** The tree that has any of these digests, as an archive: the route of Zero Install for .NET. */
  | {
    readonly kind: "archive";
    readonly digests: readonly Digest[];
    readonly format: ArchiveFormat;
  }
  /** Nothing that anybody in good faith asks for: 400, where an unknown route is 404. */
  | { readonly kind: "bad"; readonly reason: string };

/** Longer endings do not end in shorter ones, so that the order does not matter. */
const FORMATS: readonly ArchiveFormat[] = ["tar", "tar.gz", "tar.zst"];

/** `A` or `A-B`: whether there are that many pieces is not known here. */
const RUN = /^(0|[1-9]\d{0,14})(?:-(0|[1-9]\d{0,14}))?$/;

/** The characters of a bitfield; how many there are, only who has the manifest can check. */
const BITFIELD = /^[A-Za-z0-9_-]{0,1024}$/;

/** Seconds, with up to three decimals. */
const SECONDS = /^\d{1,5}(?:\.\d{1,3})?$/;

/**
 * Reads the path of a request, as it was sent: percent-encoded. Use `requestPath` to get it,
 * because the URL parser resolves `..`, and `%2e%2e` too, before anyone can refuse it.
 *
 * A path is decoded once. Dots, slashes, percent signs and NUL have no business in encoded form,
 * where one reader might see a name and the next one a way out of the tree.
 *
 * @param query what stands behind the question mark, `requestQuery`; names that are not known are
 *   ignored
 * @returns undefined for a route that is not known
 */
export function parseRoute(path: string, query = ""): Route | undefined {
  const length = path.length + (query === "" ? 0 : "?".length + query.length);
  if (length > MAX_PATH_LENGTH) return bad("the path is too long");
  const names: string[] = [];
  for (const segment of path.split("/")) {
    if (/%(?:2e|2f|5c|25|00)/i.test(segment)) {
      return bad("the path has an encoded dot, slash, backslash, percent sign or NUL");
    }
    if (segment === "." || segment === "..") return bad("the path climbs");
    if (/[\0\\]/.test(segment)) return bad("the path has a backslash or NUL");
    try {
      names.push(decodeURIComponent(segment));
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
      return bad("the path is not percent-encoded UTF-8");
    }
  }
  const [before, first, second, third, fourth, ...more] = names;
  if (before !== "" || first === undefined || more.length > 0) return undefined;
  try {
    if (second === undefined) return archiveRoute(first);
    if (first !== "implementation") return undefined;
    return fourth === undefined
      ? implementationRoute(second, third, query)
      : pieceRoute(second, third!, fourth, query);
  } catch (error) {
    if (!(error instanceof InvalidDigest)) throw error;
    return bad(error.message);
  }
}

/**
 * The path of a route, with its query; `=` and `,` stay as they are, for RFC 3986 allows them in a
 * path.
 *
 * @throws TypeError for a bad route, which has none
 */
export function formatRoute(route: Route): string {
  switch (route.kind) {
    case "tree":
      return `/implementation/${route.digest}`;
    case "manifest":
    case "content":
      return `/implementation/${route.digest}/${route.kind}`;
    case "availability": {
      const query = [
        ...(route.wait === undefined ? [] : [`wait=${route.wait}`]),
        ...(route.known === undefined ? [] : [`known=${route.known}`]),
      ];
      const path = `/implementation/${route.digest}/pieces`;
      return query.length === 0 ? path : `${path}?${query.join("&")}`;
    }
    case "pieces": {
      const run = route.first === route.last ? route.first : `${route.first}-${route.last}`;
      return `/implementation/${route.digest}/pieces/${run}`;
    }
    case "any-piece":
      return `/implementation/${route.digest}/pieces/any?lacks=${route.lacks}`;
    case "piece-digests":
      return `/implementation/${route.digest}/piece-digests`;
    case "archive":
      return `/${route.digests.join(",")}.${route.format}`;
    case "bad":
      throw new TypeError(`Cannot format a bad route: ${route.reason}`);
  }
}

/** Whom an absolute `http:` URL names, with the port if it has one; null if nobody. */
export function requestAuthority(url: string): string | null {
  return /^[^:/?#]+:\/\/([^/?#]*)/.exec(url)?.[1] || null;
}

/** The path of an absolute `http:` URL, as it was sent: nothing decoded, nothing resolved. */
export function requestPath(url: string): string {
  return /^[^:/?#]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] || "/";
}

/** What stands behind the question mark of a URL, as it was sent. */
export function requestQuery(url: string): string {
  return /^[^?#]*\?([^#]*)/.exec(url)?.[1] ?? "";
}

function implementationRoute(
  name: string,
  what: string | undefined,
  query: string,
): Route | undefined {
  switch (what) {
    case undefined:
      return { kind: "tree", digest: parseDigest(name) };
    case "manifest":
    case "content":
    case "piece-digests":
      return { kind: what, digest: parseDigest(name) };
    case "pieces":
      return availabilityRoute(parseDigest(name), new URLSearchParams(query));
    default:
      return undefined;
  }
}

function availabilityRoute(digest: Digest, query: URLSearchParams): Route {
  const [wait, known] = [query.get("wait"), query.get("known")];
  if (wait !== null && !SECONDS.test(wait)) return bad("the wait is not a number of seconds");
  if (known !== null && !BITFIELD.test(known)) return bad("what is known is not a bitfield");
  return {
    kind: "availability",
    digest,
    ...(wait === null ? {} : { wait: Number(wait) }),
    ...(known === null ? {} : { known }),
  };
}

function pieceRoute(
  name: string,
  what: string,
  which: string,
  query: string,
): Route | undefined {
  if (what !== "pieces") return undefined;
  const digest = parseDigest(name);
  if (which === "any") {
    const lacks = new URLSearchParams(query).get("lacks");
    if (lacks === null || !BITFIELD.test(lacks)) return bad("what is lacked is not a bitfield");
    return { kind: "any-piece", digest, lacks };
  }
  const [, first, last = first] = RUN.exec(which) ?? [];
  if (!(Number(first) <= Number(last))) return bad("these are not pieces, such as 7 or 7-9");
  return { kind: "pieces", digest, first: Number(first), last: Number(last) };
}

function archiveRoute(name: string): Route | undefined {
  const format = FORMATS.find((format) => name.endsWith(`.${format}`));
  if (format === undefined) return undefined;
  const digests = parseDigestList(name.slice(0, -1 - format.length));
  return { kind: "archive", digests, format };
}

function bad(reason: string): Route {
  return { kind: "bad", reason };
}
