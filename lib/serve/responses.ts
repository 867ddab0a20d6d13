import type { Held } from "./held.ts";

/** The digest names the content, so that it never changes. */
export function etagOf(held: Held): string {
  return `"${held.digest}"`;
}

/** What is compressed for those who understand that. */
export const VARIES = { "vary": "accept-encoding" } as const;

/**
 * Makes the ETag that of a compressed answer: its bytes differ from one time to another, and only their
 * content stays what it was (RFC 9110, section 8.8.1).
 */
export function weakenEtag(headers: Headers): void {
  headers.set("etag", `W/${headers.get("etag")}`);
}

/** The headers of an answer that a digest determines. */
export function headersFor(held: Held, type: string | undefined, length?: number): Headers {
  return new Headers({
    "etag": etagOf(held),
    // No coding is to be added on the way, for a range must mean what it says.
    "cache-control": "public, max-age=31536000, immutable, no-transform",
    "x-content-type-options": "nosniff",
    ...(type === undefined ? {} : { "content-type": type }),
    ...(length === undefined ? {} : { "content-length": String(length) }),
  });
}

/**
 * Says that the client has it already (RFC 9110, section 13.1.2); undefined if he has not. Only for what
 * is here.
 */
export function unchanged(
  request: Request,
  held: Held,
  extra: Readonly<Record<string, string>> = {},
): Response | undefined {
  const etag = etagOf(held);
  const known = (request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim());
  const plain = known.includes(etag) || known.includes("*");
  if (!plain && !known.includes(`W/${etag}`)) return undefined;
  const headers = headersFor(held, undefined);
  if (!plain) weakenEtag(headers);
  for (const [name, value] of Object.entries(extra)) headers.set(name, value);
  return new Response(null, { status: 304, headers });
}

/** An answer for people, and for programs that look at its status. */
export function say(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

export function notHere(headers: Readonly<Record<string, string>> = {}): Response {
  return say(404, "This implementation is not here", headers);
}
