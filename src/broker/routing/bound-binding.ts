import type { Binding } from '../model.js';
import type { TopicEntry } from '../ports.js';
import type { Destinations } from './destinations.js';
import type { KeyTable } from './key-table.js';

/** A topic or queue of a virtual host that bindings lead to, shared by all of them. */
export class QueueTarget {
  readonly name: string;
  /** Bindings that lead here; with the last one the target goes. */
  bindings = 0;
  /** The last walk that came here: a message goes to each destination once. */
  walk = 0;
  /** The topic of this name when it was last looked for; null = look again. */
  topic: TopicEntry | undefined | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

/** A binding in a binding table. */
export class BoundBinding {
  readonly binding: Binding;
  /** Undefined when it leads to an exchange. */
  readonly target: QueueTarget | undefined;
  /** Place in its BindingList. */
  index = -1;

  constructor(binding: Binding, target: QueueTarget | undefined) {
    this.binding = binding;
    this.target = target;
  }
}

/** Bindings in no order, each of which knows its place, so that one of many goes as fast as one of few. */
export class BindingList {
  readonly items: BoundBinding[] = [];
  /** The route of messages that match this list and nothing else, as it was at `routeTime`: see BindingTable.only. */
  route: Destinations | undefined;
  /** By the router's clock. */
  routeTime = 0;

  add(bound: BoundBinding): void {
    bound.index = this.items.length;
    this.items.push(bound);
  }

  /** `bound` has been added. */
  remove(bound: BoundBinding): void {
    const last = this.items.pop();
    if (last === undefined || last === bound) return;
    this.items[bound.index] = last;
    last.index = bound.index;
  }

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  visit(visitor: BindingVisitor): void {
    for (const bound of this.items) visitor.matched(bound);
  }
}

/** Adds a binding to the list of `key`, which is made when it is the first. */
export function addToList(lists: KeyTable<BindingList>, key: string, bound: BoundBinding): void {
  let list = lists.get(key);
  if (list === undefined) {
    list = new BindingList();
    lists.set(key, list);
  }
  list.add(bound);
}

/** Takes a binding out of the list of `key`; an empty list goes. */
export function removeFromList(lists: KeyTable<BindingList>, key: string, bound: BoundBinding): void {
  const list = lists.get(key);
  list?.remove(bound);
  if (list?.isEmpty) lists.delete(key);
}

/** Gets the bindings that a message matches; one may come more than once. */
export interface BindingVisitor {
  matched(bound: BoundBinding): void;
}

/** What tells two bindings of one source apart. */
export function bindingKey(binding: Binding): string {
  const { destinationKind, destination, routingKey } = binding;
  const names = `${destinationKind === 'queue' ? 'q' : 'e'}${destination.length}:${destination}${routingKey.length}:${routingKey}`;
  return binding.arguments.length === 0 ? names : names + latin1(binding.arguments);
}

/** Bytes as text, one character a byte, so that byte strings can be keys of maps. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
