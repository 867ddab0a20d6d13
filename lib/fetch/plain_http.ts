import { type IncomingHttpHeaders, request } from "node:http";
import { Readable } from "node:stream";

/**
 * A GET whose request line has the path alone. Deno's own client, when it connects to one endpoint,
 * sends the whole URL, as it would to a proxy: servers that are older than HTTP/1.1 do not know that.
 *
 * @param where an address, an IPv6 one with its scope where it needs one
 */
export function plainGet(
  where: { readonly address: string; readonly port: number },
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: where.address,
      port: where.port,
      path,
      headers,
      signal,
      agent: false,
    });
    asked.on("error", reject);
    asked.on("response", (answer) => {
      const { statusCode: status = 500, statusMessage: statusText = "" } = answer;
      const body = Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>;
      try {
        resolve(new Response(body, { status, statusText, headers: headersOf(answer.headers) }));
      } catch {
        // A status that has no body, or is none. Nobody else would catch what is thrown here.
        answer.destroy();
        reject(new Error(`it answered ${status} ${statusText}`));
      }
    });
    asked.end();
  });
}

function headersOf(headers: IncomingHttpHeaders): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all.set(name, String(value));
  }
  return all;
}
