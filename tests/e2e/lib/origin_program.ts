/** A web server for a directory, on port 80 of the host that it runs in. Prints who asks for what. */

const [directory] = Deno.args;

Deno.serve(
  { hostname: "0.0.0.0", port: 80, onListen: () => print("ready") },
  async (request, { remoteAddr }) => {
    const { pathname } = new URL(request.url);
    print(`${(remoteAddr as Deno.NetAddr).hostname} ${pathname}`);
    try {
      return new Response(await Deno.readFile(directory + pathname));
    } catch {
      return new Response("", { status: 404 });
    }
  },
);

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
