/**
 * A map by routing keys for very many of them. A look touches four places in memory where that of a `Map` touches eight: with 100,000 keys in no order,
 * none of them is in the processor's cache, and the look was most of what routing a message costs.
 *
 * Open addressing with a bound: a key that finds no place near its own goes to a `Map`, whose hashes nobody can foresee, so that chosen keys slow nothing.
 */

/** Slots that a key may take, from its own on. */
const PROBES_MAX = 32;
const FIRST_SLOTS = 16;
/** The place of a slot whose key has gone: others behind it are looked for further on. */
const LEFT = -1;

/** See the top of this file. */
export class KeyTable<Value> {
  /** Two numbers a slot: the key's hash, and the place of its entry, from 1; 0 = the slot was never used. */
  private slots = new Int32Array(2 * FIRST_SLOTS);
  /** A key and its value in turn. */
  private entries: (string | Value | undefined)[] = [];
  /** Places of entries that have gone. */
  private spare: number[] = [];
  private usedSlots = 0;
  private readonly crowded = new Map<string, Value>();

  get(key: string): Value | undefined {
    const { slots, entries } = this;
    const mask = slots.length / 2 - 1;
    const hash = hashOf(key);
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = 2 * ((hash + probe) & mask);
      const place = slots[at + 1]!;
      if (place === 0) return undefined;
      // What follows a key is its value.
      if (slots[at] === hash && place > 0 && entries[2 * place] === key) return entries[2 * place + 1] as Value;
    }
    return this.crowded.get(key);
  }

  set(key: string, value: Value): void {
    this.delete(key);
    if (4 * this.usedSlots >= this.slots.length) this.rebuild();
    this.put(key, value);
  }

  delete(key: string): boolean {
    const { slots, entries } = this;
    const mask = slots.length / 2 - 1;
    const hash = hashOf(key);
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = 2 * ((hash + probe) & mask);
      const place = slots[at + 1]!;
      if (place === 0) return false;
      if (slots[at] !== hash || place < 0 || entries[2 * place] !== key) continue;
      slots[at + 1] = LEFT;
      entries[2 * place] = entries[2 * place + 1] = undefined;
      this.spare.push(place);
      // With one place of eight in use, and with none, it gives back what it has taken; not for few among many that found no place.
      const places = entries.length / 2 - 1;
      if (8 * (places - this.spare.length + this.crowded.size) <= places) this.rebuild();
      return true;
    }
    return this.crowded.delete(key);
  }

  /** The key is not in here. */
  private put(key: string, value: Value): void {
    const { slots } = this;
    const mask = slots.length / 2 - 1;
    const hash = hashOf(key);
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = 2 * ((hash + probe) & mask);
      if (slots[at + 1]! > 0) continue;
      if (slots[at + 1] === 0) this.usedSlots++;
      slots[at] = hash;
      slots[at + 1] = this.enter(key, value);
      return;
    }
    this.crowded.set(key, value);
  }

  private enter(key: string, value: Value): number {
    const place = this.spare.pop() ?? Math.max(1, this.entries.length / 2);
    // Place 0 stands for none, and stays empty.
    if (this.entries.length === 0) this.entries.push(undefined, undefined);
    if (2 * place === this.entries.length) this.entries.push(key, value);
    else {
      this.entries[2 * place] = key;
      this.entries[2 * place + 1] = value;
    }
    return place;
  }

  /** Makes room for as many keys again as there are, and no more, and forgets slots that were left. */
  private rebuild(): void {
    const { entries } = this;
    const crowded = [...this.crowded];
    // With those that found no place: all are put in anew, and the next time must be as far away as they are many.
    const keys = Math.max(0, entries.length / 2 - 1) - this.spare.length + crowded.length;
    let count = FIRST_SLOTS;
    while (count < 4 * keys) count *= 2;
    this.slots = new Int32Array(2 * count);
    this.entries = [];
    this.spare = [];
    this.usedSlots = 0;
    this.crowded.clear();
    for (let at = 2; at < entries.length; at += 2) {
      const key = entries[at];
      if (typeof key === 'string') this.put(key, entries[at + 1] as Value);
    }
    for (const [key, value] of crowded) this.put(key, value);
  }
}

/** FNV-1a over the string's units, its bits mixed at the end, since the lowest of them choose the slot. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
