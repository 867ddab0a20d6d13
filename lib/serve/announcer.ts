import type { DnsMessage, DnsQuestion, DnsRecord } from "../wire/dns_message.ts";
import { type DnsName, keyOfName, sameName } from "../wire/dns_name.ts";
import {
  additionalsTo,
  answers,
  EMPTY,
  forLegacy,
  instanceLabel,
  instanceName,
  recordsOf,
} from "../wire/dns_sd.ts";
import { claimsTo, compareAll, contradicts, isKnown, keyOf } from "./claims.ts";

// Times in milliseconds, from RFC 6762, sections 6 to 9.
const PROBES = 3;
const PROBE_INTERVAL = 250;
const ANNOUNCEMENTS = 2;
const ANNOUNCEMENT_INTERVAL = 1000;
const LOST_PROBE_DELAY = 1000;
const CONFLICTS_IN_A_ROW = 15;
const CONFLICT_WINDOW = 10_000;
const CONFLICT_DELAY = 5000;
/** A record goes to everybody no more often than this; to defend a name, than the second. */
const REPEAT_INTERVAL = 1000;
const DEFENCE_INTERVAL = 250;

/** A link that is announced on. */
export interface Way {
  readonly key: string;
  /** Of this machine on the link, without scope. */
  readonly addresses: readonly string[];
}

/** Somebody who asked, as the caller names him. */
export interface Asker {
  /** To be answered alone; a resolver that knows nothing of multicast DNS if `legacy`. */
  readonly address: string;
  readonly port: number;
  readonly legacy: boolean;
}

/** A message to be sent now: to one who asked, or to everybody on the link. */
export interface Outgoing {
  readonly way: string;
  readonly to: Asker | undefined;
  readonly message: DnsMessage;
}

interface State {
  way: Way;
  phase: "probing" | "announcing" | "standing";
  /** Probes, or announcements, that were sent. */
  sent: number;
  /** When the next one is due. */
  at: number;
  /** When each record went to everybody last, by what it says. */
  readonly told: Map<string, number>;
  /** What is to be told to everybody, when, and who asked for it. */
  readonly pending: Map<string, { at: number; asker: string }>;
}

export interface AnnouncerOptions {
  /** What the store would like to be called; "0share" if that is nothing. */
  readonly wanted: string;
  /** Makes a label that no other machine has. */
  readonly makeHost: () => string;
  /** The TCP port. */
  readonly port: number;
  /** What the server calls itself in its answers to queries. */
  readonly id: string;
  /** Gives numbers from 0 to 1: so that machines that wake together do not speak together. */
  readonly random: () => number;
}

/**
 * Decides what a store that is announced over multicast DNS says, and when (RFC 6762, 6763): probes
 * whether its name is free, announces itself, answers, defends its name or takes another, and says
 * goodbye. No sockets and no clock: `now` is in milliseconds, of a clock that does not go back.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #states = new Map<string, State>();
  /** Every address that was ever told: what comes back late is no conflict. */
  readonly #ownAddresses = new Set<string>();
  #choice = 1;
  #host: string;
  #conflicts: number[] = [];

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#host = options.makeHost();
  }

  /** The label that it has, or would like to have. */
  get instance(): string {
    return instanceLabel(this.#options.wanted, this.#choice);
  }

  /** Whether the name is found free, and announced, on every link. */
  get isAnnounced(): boolean {
    return this.#states.size > 0 && [...this.#states.values()].every((state) => isUp(state));
  }

  /** When `due` has something; undefined if never, as things are. */
  get next(): number | undefined {
    const times = [...this.#states.values()].flatMap((state) => [
      ...state.phase === "standing" ? [] : [state.at],
      ...[...state.pending.values()].map(({ at }) => at),
    ]);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** These are the links now. What is new gets probed, what is changed announced again. */
  update(ways: readonly Way[], now: number): void {
    const keys = new Set(ways.map(({ key }) => key));
    for (const key of this.#states.keys()) if (!keys.has(key)) this.#states.delete(key);
    for (const way of ways) {
      for (const address of way.addresses) this.#ownAddresses.add(address);
      const known = this.#states.get(way.key);
      if (known === undefined) {
        const state: State = {
          way,
          phase: "probing",
          sent: 0,
          at: now + this.#options.random() * PROBE_INTERVAL,
          told: new Map(),
          pending: new Map(),
        };
        this.#states.set(way.key, state);
      } else if (known.way.addresses.join() !== way.addresses.join()) {
        known.way = way;
        if (isUp(known)) Object.assign(known, { phase: "announcing", sent: 0, at: now });
      }
    }
  }

  /** What is to be sent now. */
  due(now: number): Outgoing[] {
    return [...this.#states.values()].flatMap((state) => {
      const out: Outgoing[] = [];
      if (state.phase === "probing" && state.at <= now) out.push(...this.#probe(state, now));
      if (state.phase === "announcing" && state.at <= now) out.push(this.#announce(state, now));
      return [...out, ...this.#tell(state, now)];
    });
  }

  /**
   * Takes what was heard on a link.
   *
   * @returns what is to be answered at once; other answers come with `due`
   */
  hear(message: DnsMessage, from: Asker, way: string, now: number): Outgoing[] {
    const state = this.#states.get(way);
    if (state === undefined) return [];
    if (message.response) {
      this.#hearResponse(message, from, now);
      return [];
    }
    if (state.phase === "probing") {
      this.#hearRival(state, message, now);
      return [];
    }
    return this.#answer(state, message, from, now);
  }

  /** Takes back everything that was said. Nothing is to be sent afterwards. */
  stop(): Outgoing[] {
    const out = [...this.#states.values()].filter(isUp).map((state) => ({
      way: state.way.key,
      to: undefined,
      message: {
        ...EMPTY,
        response: true,
        // Others may have a service of the same kind: its name in the list of kinds stays.
        answers: this.#own(state).filter((record) => record.unique || this.#isPointer(record))
          .map((record) => ({ ...record, ttl: 0 })),
      },
    }));
    this.#states.clear();
    return out;
  }

  #own({ way }: State): DnsRecord[] {
    const { port, id } = this.#options;
    const { addresses } = way;
    return recordsOf({ instance: this.instance, host: this.#host, port, id, addresses });
  }

  #isPointer({ data }: DnsRecord): boolean {
    return data.type === "PTR" && sameName(data.target, instanceName(this.instance));
  }

  /** The next probe, or none if nobody objected to the last one. */
  #probe(state: State, now: number): Outgoing[] {
    if (state.sent === PROBES) {
      Object.assign(state, { phase: "announcing", sent: 0, at: now });
      return [];
    }
    state.sent++;
    state.at = now + PROBE_INTERVAL;
    const authorities = this.#own(state).filter(({ unique }) => unique)
      .map((record) => ({ ...record, unique: false }));
    const names = new Map(authorities.map(({ name }) => [keyOfName(name), name]));
    // What is sent to this machine alone, another program on this machine may get.
    const questions = [...names.values()].map((name): DnsQuestion => ({
      name,
      type: "ANY",
      unicast: false,
    }));
    return [{
      way: state.way.key,
      to: undefined,
      message: { ...EMPTY, questions, authorities },
    }];
  }

  #announce(state: State, now: number): Outgoing {
    state.sent++;
    state.at = now + ANNOUNCEMENT_INTERVAL;
    if (state.sent === ANNOUNCEMENTS) state.phase = "standing";
    const own = this.#own(state);
    for (const record of own) state.told.set(keyOf(record), now);
    return {
      way: state.way.key,
      to: undefined,
      message: { ...EMPTY, response: true, answers: own },
    };
  }

  /** What was asked for, in one message to everybody. */
  #tell(state: State, now: number): Outgoing[] {
    const given = this.#own(state).filter((record) => {
      const pending = state.pending.get(keyOf(record));
      return pending !== undefined && pending.at <= now;
    });
    for (const [key, { at }] of state.pending) if (at <= now) state.pending.delete(key);
    if (given.length === 0) return [];
    for (const record of given) state.told.set(keyOf(record), now);
    return [{ way: state.way.key, to: undefined, message: this.#response(state, given) }];
  }

  #response(state: State, given: readonly DnsRecord[]): DnsMessage {
    return {
      ...EMPTY,
      response: true,
      answers: given,
      additionals: additionalsTo(given, this.#own(state)),
    };
  }

  #answer(state: State, message: DnsMessage, from: Asker, now: number): Outgoing[] {
    const own = this.#own(state);
    if (message.questions.length === 0) {
      // Further records that he knows, of whom a question with too many came before.
      for (const record of own.filter((record) => isKnown(record, message))) {
        const key = keyOf(record);
        if (state.pending.get(key)?.asker === from.address) state.pending.delete(key);
      }
      return [];
    }
    const defends = message.authorities.length > 0;
    const alone = new Set<DnsRecord>();
    for (const record of own) {
      const asked = message.questions.filter((question) => answers(record, question));
      if (asked.length === 0 || isKnown(record, message)) continue;
      const key = keyOf(record);
      const told = state.told.get(key) ?? -Infinity;
      // Who asks for himself gets it for himself, as long as the others still know it.
      const recent = now - told < record.ttl * 1000 / 4;
      // A name is defended before everybody: of several programs on one port, the asker may be any.
      const toHim = asked.every(({ unicast }) => unicast) && recent && !defends;
      if (from.legacy || toHim) {
        alone.add(record);
        continue;
      }
      const interval = defends ? DEFENCE_INTERVAL : REPEAT_INTERVAL;
      const delay = defends ? 0 : this.#delay(message, record);
      const at = Math.max(now + delay, told + interval);
      const pending = state.pending.get(key);
      if (pending === undefined || at < pending.at) {
        state.pending.set(key, { at, asker: from.address });
      } else if (pending.asker !== from.address) {
        // Somebody else waits for it, too: that one of them knows it does not count any more.
        state.pending.set(key, { at: pending.at, asker: "" });
      }
    }
    if (alone.size === 0) return [];
    const response = this.#response(state, [...alone]);
    if (!from.legacy) return [{ way: state.way.key, to: from, message: response }];
    return [{
      way: state.way.key,
      to: from,
      message: {
        ...response,
        id: message.id,
        // Such a resolver has one question. Others, which cost much to repeat, are not answered here.
        questions: message.questions
          .filter((question) => [...alone].some((record) => answers(record, question)))
          .map((question) => ({ ...question, unicast: false })),
        answers: forLegacy(response.answers),
        additionals: forLegacy(response.additionals),
      },
    }];
  }

  /** Several machines may answer the same: then they must not do so at once. */
  #delay({ truncated }: DnsMessage, { unique }: DnsRecord): number {
    if (truncated) return 400 + this.#options.random() * 100;
    return unique ? 0 : 20 + this.#options.random() * 100;
  }

  /** Looks whether somebody else has a name of ours. What he takes back is no objection. */
  #hearResponse(message: DnsMessage, from: Asker, now: number): void {
    if (from.legacy) return;
    const records = [...message.answers, ...message.additionals].filter(({ ttl }) => ttl > 0);
    const at = (name: DnsName) => records.filter((record) => sameName(record.name, name));
    const [own] = [...this.#states.values()].map((state) => this.#own(state));
    if (at(instanceName(this.instance)).some(({ data }) => contradicts(data, own!))) {
      this.#giveWay(now);
    }
    const taken = at([this.#host, "local"]).some(({ data }) =>
      (data.type === "A" || data.type === "AAAA") && !this.#ownAddresses.has(data.address)
    );
    if (taken) {
      this.#host = this.#options.makeHost();
      this.#probeAgain(now);
    }
  }

  /** Two ask for one name at once: who has the greater records has it (RFC 6762, section 8.2). */
  #hearRival(state: State, message: DnsMessage, now: number): void {
    const name = instanceName(this.instance);
    const theirs = claimsTo(name, message.authorities);
    if (theirs.length === 0 || state.sent === 0) return;
    const ours = claimsTo(name, this.#own(state));
    if (compareAll(ours, theirs) < 0) {
      Object.assign(state, { sent: 0, at: now + LOST_PROBE_DELAY });
    }
  }

  /** Takes another name if this one is not proved yet; otherwise finds out again whose it is. */
  #giveWay(now: number): void {
    const probing = [...this.#states.values()].some(({ phase }) => phase === "probing");
    if (probing) this.#choice++;
    this.#probeAgain(now);
  }

  #probeAgain(now: number): void {
    this.#conflicts = [...this.#conflicts.filter((at) => now - at < CONFLICT_WINDOW), now];
    const delay = this.#conflicts.length > CONFLICTS_IN_A_ROW
      ? CONFLICT_DELAY
      : this.#options.random() * PROBE_INTERVAL;
    for (const state of this.#states.values()) {
      Object.assign(state, { phase: "probing", sent: 0, at: now + delay });
      state.pending.clear();
    }
  }
}

function isUp({ phase }: Pick<State, "phase">): boolean {
  return phase !== "probing";
}
