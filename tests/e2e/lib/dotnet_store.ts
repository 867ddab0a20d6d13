/**
 * What `0install store serve` of Zero Install for .NET answers over HTTP: archives of whole trees,
 * and nothing else. For a host; who it is announced to is for somebody else.
 *
 *     dotnet_store.ts STORE PORT
 *
 * Prints each request, with the status of the answer.
 */

const [store, port] = Deno.args as [string, string];

const DIGEST = /^(?:sha1=|sha1new=|sha256=|sha256new_)\w+$/;

/** The tree that has any of the digests. */
function find(digests: readonly string[]): string | undefined {
  return digests.map((digest) => `${store}/${digest}`).find((path) => {
    try {
      return Deno.statSync(path).isDirectory;
    } catch {
      return false;
    }
  });
}

function answer(request: Request): Response {
  const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
  const [list, ...extension] = name.split(".");
  const digests = list!.split(",");
  if (extension.join(".") !== "tar.gz" || !digests.every((digest) => DIGEST.test(digest))) {
    return new Response(null, { status: 400 });
  }
  const path = find(digests);
  if (path === undefined) return new Response(null, { status: 404 });
  if (request.method === "HEAD") return new Response(null);
  if (request.method !== "GET") return new Response(null, { status: 405 });
  const tar = new Deno.Command("tar", {
    args: ["--create", "--gzip", "--directory", path, "--exclude=./.manifest", "."],
    stdout: "piped",
  }).spawn();
  return new Response(tar.stdout, { headers: { "content-type": "application/x-compressed-tar" } });
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.serve({
  hostname: "::",
  port: Number(port),
  onListen: () => print("ready"),
  handler(request) {
    const response = answer(request);
    print(`${request.method} ${new URL(request.url).pathname} ${response.status}`);
    return response;
  },
});
