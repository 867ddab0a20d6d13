/** Where a program runs: on this machine, or on a host of a network made for the measurement. */

import type { Network } from "../../tests/e2e/lib/network.ts";

export interface Seat {
  /** At which the others reach it. */
  readonly address: string;
  /** Its interface to them. */
  readonly link: string;
  /** Put in front of a command, it runs there. */
  readonly prefix: readonly string[];
  /** Bytes that went out and came in so far; zeros on this machine. */
  traffic(): Promise<{ sent: number; received: number }>;
}

export const HERE: Seat = {
  address: "127.0.0.1",
  link: "lo",
  prefix: [],
  traffic: () => Promise.resolve({ sent: 0, received: 0 }),
};

/** The seats of a network, in order. */
export function seats(network: Network): Seat[] {
  return network.hosts.map((host) => ({
    address: host.ipv4,
    link: "eth0",
    prefix: host.prefix,
    traffic: () => host.traffic(),
  }));
}

const UNITS: Readonly<Record<string, number>> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** `100mbit` as bits per second. */
export function parseRate(text: string): number {
  const [, value, unit] = /^(\d+)([kmg]bit)$/.exec(text) ?? [];
  if (value === undefined) throw new Error(`Cannot use ${text} as a rate: expected e.g. 100mbit`);
  return Number(value) * UNITS[unit!]!;
}
