/**
 * Calls back at SIGINT or SIGTERM, with which of them it is.
 *
 * @returns a function that gives the signals their usual effect back
 */
export function onInterrupt(callback: (signal: Deno.Signal) => void): () => void {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const listeners = signals.map((signal) => ({ signal, listener: () => callback(signal) }));
  for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
  };
}
