import type { Environment } from "./locations.ts";

/**
 * The environment of this process, as far as its permissions go: a variable that may not be read
 * counts as not set and a file as missing, and nobody is ever prompted.
 */
export function systemEnvironment(): Environment {
  return {
    get(name) {
      if (!isGranted({ name: "env", variable: name })) return undefined;
      return Deno.env.get(name);
    },
    os: systemName(),
    readTextFile(path) {
      if (!isGranted({ name: "read", path })) return undefined;
      try {
        return Deno.readTextFileSync(path);
      } catch {
        return undefined;
      }
    },
    isForeignHome(path) {
      if (Deno.build.os === "windows" || !isGranted({ name: "sys", kind: "uid" })) return false;
      if (Deno.uid() !== 0 || !isGranted({ name: "read", path })) return false;
      try {
        return Deno.statSync(path).uid !== 0;
      } catch {
        return false;
      }
    },
  };
}

/** Every Unix that is not macOS has Linux's places. */
function systemName(): Environment["os"] {
  const { os } = Deno.build;
  return os === "windows" || os === "darwin" ? os : "linux";
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
