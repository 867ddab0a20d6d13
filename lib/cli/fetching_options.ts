import { PORT } from "../wire/limits.ts";
import type { Option } from "./options.ts";

/**
 * Apart from what reads them: a program that is run needs the options at once, and the rest only
 * when something is missing.
 */
export const DISCOVERY_PORT_OPTION = {
  name: "discovery-port",
  value: "PORT",
  help: `UDP port of the queries (default ${PORT}; the same on all machines)`,
} as const;

export const NO_MDNS = "no-mdns";

/** Options of every command that fetches. */
export const FETCHING_OPTIONS: readonly Option[] = [
  {
    name: "host",
    short: "H",
    value: "HOST[:PORT]",
    many: true,
    help: "ask this machine, and do not ask the network",
  },
  {
    name: "timeout",
    value: "SECONDS",
    help: "how long to wait for a first answer (default 0.25, or 2 where peers were seen lately)",
  },
  {
    name: "compress",
    value: "WHEN",
    help: "let peers compress: auto (over 1 Gbit/s and slower), always or never (default auto)",
  },
  {
    name: "download-limit",
    value: "RATE",
    help: "take no more than this in all, in bytes per second: 500k, 2M, 1.5MB/s",
  },
  {
    name: "upload-limit",
    value: "RATE",
    help: "give no more than this to others while fetching",
  },
  { name: "no-share", help: "give nothing to others while fetching" },
  { name: "explain", help: "say in the end what came from where, and how fast" },
  DISCOVERY_PORT_OPTION,
  { name: NO_MDNS, help: "do not look for stores of Zero Install for .NET over multicast DNS" },
];

export const NO_WAIT = "no-wait";

/** Options of the commands that have 0install get what no peer has. */
export const PEERS_FIRST_OPTIONS: readonly Option[] = [
  ...FETCHING_OPTIONS,
  {
    name: NO_WAIT,
    help: "download what no machine has at once, also if another one is just doing so",
  },
];
