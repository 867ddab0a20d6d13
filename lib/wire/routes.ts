import { InvalidDigest } from "../errors.ts";
import { type Digest, parseDigest, parseDigestList } from "../manifest/digest.ts";
import { MAX_PATH_LENGTH } from "./limits.ts";

export type ArchiveFormat = "tar" | "tar.gz" | "tar.zst";

/** What the path of a request asks for. */
export type Route =
  /** The tree as a tar: the route of 2008. */
  | { readonly kind: "tree"; readonly digest: Digest }
  | { readonly kind: "manifest"; readonly digest: Digest }
  | { readonly kind: "content"; readonly digest: Digest }
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

/**
 * Reads the path of a request, as it was sent: percent-encoded, without query. Use `requestPath`
 * to get it, because the URL parser resolves `..`, and `%2e%2e` too, before anyone can refuse it.
 *
 * A path is decoded once. Dots, slashes, percent signs and NUL have no business in encoded form,
 * where one reader might see a name and the next one a way out of the tree.
 *
 * @returns undefined for a route that is not known
 */
export function parseRoute(path: string): Route | undefined {
  if (path.length > MAX_PATH_LENGTH) return bad("the path is too long");
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
  const [before, first, second, third, ...more] = names;
  if (before !== "" || first === undefined || more.length > 0) return undefined;
  try {
    if (second === undefined) return archiveRoute(first);
    return first === "implementation" ? implementationRoute(second, third) : undefined;
  } catch (error) {
    if (!(error instanceof InvalidDigest)) throw error;
    return bad(error.message);
  }
}

/**
 * The path of a route; `=` and `,` stay as they are, for RFC 3986 allows them in a path.
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
    case "archive":
      return `/${route.digests.join(",")}.${route.format}`;
    case "bad":
      throw new TypeError(`Cannot format a bad route: ${route.reason}`);
  }
}

/** The path of an absolute `http:` URL, as it was sent: nothing decoded, nothing resolved. */
export function requestPath(url: string): string {
  return /^[^:/?#]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] || "/";
}

function implementationRoute(name: string, what: string | undefined): Route | undefined {
  if (what === undefined) return { kind: "tree", digest: parseDigest(name) };
  if (what !== "manifest" && what !== "content") return undefined;
  return { kind: what, digest: parseDigest(name) };
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
