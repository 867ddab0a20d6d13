import type { Held } from "./held.ts";

/** The digest names the content, so that it never changes. */
export function etagOf(held: Held): string {
  return `"${held.digest}"`;
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

/** Says that the client has it already; undefined if he has not. Only for what is here. */
export function unchanged(
  request: Request,
  held: Held,
  extra: Readonly<Record<string, string>> = {},
): Response | undefined {
  if (request.headers.get("if-none-match") !== etagOf(held)) return undefined;
  const headers = headersFor(held, undefined);
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
