import { LEFT_FOR_OTHERS, MAX_TRANSFERS, MAX_TRANSFERS_PER_ADDRESS } from "../wire/limits.ts";

/**
 * Counts the answers of a kind that are under way, so that neither an address nor a few of them take
 * all places: the fewer are left, the fewer an address may have. One that has none gets the last.
 */
export class Transfers {
  readonly #most: number;
  readonly #mostPerAddress: number;
  #all = 0;
  readonly #byAddress = new Map<string, number>();

  constructor(most = MAX_TRANSFERS, mostPerAddress = MAX_TRANSFERS_PER_ADDRESS) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  /** Takes a place for this address; undefined when there is none. Call the result to give it back. */
  begin(address: string): (() => void) | undefined {
    const own = this.#byAddress.get(address) ?? 0;
    const left = this.#most - this.#all;
    if (own >= this.#mostPerAddress || own * LEFT_FOR_OTHERS >= left) return undefined;
    this.#all++;
    this.#byAddress.set(address, own + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#all--;
      const left = this.#byAddress.get(address)! - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}
