import type { ExchangeEntry } from '../model.js';
import { addToList, BindingList, type BindingVisitor, type BoundBinding, removeFromList } from './bound-binding.js';
import type { HeaderValues } from './header-values.js';
import { HeadersTable } from './headers-table.js';
import { TopicTrie } from './topic-trie.js';

/** The bindings of one exchange, kept so that those which a message matches are found fast. */
export interface BindingTable {
  add(bound: BoundBinding): void;
  /** `bound` has been added. */
  remove(bound: BoundBinding): void;
  /** Hands the matching bindings to `visitor`. `headers` gives the message's headers; only a headers exchange asks for them. */
  match(routingKey: string, headers: HeaderSource, visitor: BindingVisitor): void;
  /**
   * Where one look finds all bindings that match: their list, or undefined when none do. Such a list keeps its route itself, which no number of
   * different keys can drive out. Absent where matching takes more than a look.
   */
  only?(routingKey: string): BindingList | undefined;
}

/** The headers of the message that is routed: decoded when first asked for. */
export interface HeaderSource {
  values(): HeaderValues;
}

/** A table for an exchange that routes as `type` says. */
export function createBindingTable(type: ExchangeEntry['routesAs']): BindingTable {
  switch (type) {
    case 'direct':
      return new DirectTable();
    case 'fanout':
      return new FanoutTable();
    case 'topic':
      return new TopicTrie();
    case 'headers':
      return new HeadersTable();
  }
}

/** Type direct, AMQP 0-9-1 §3.1.3.1: the keys are equal. */
class DirectTable implements BindingTable {
  private readonly byKey = new Map<string, BindingList>();

  add(bound: BoundBinding): void {
    addToList(this.byKey, bound.binding.routingKey, bound);
  }

  remove(bound: BoundBinding): void {
    removeFromList(this.byKey, bound.binding.routingKey, bound);
  }

  match(routingKey: string, _headers: HeaderSource, visitor: BindingVisitor): void {
    this.byKey.get(routingKey)?.visit(visitor);
  }

  only(routingKey: string): BindingList | undefined {
    return this.byKey.get(routingKey);
  }
}

/** Type fanout, AMQP 0-9-1 §3.1.3.2: keys do not matter. */
class FanoutTable implements BindingTable {
  private readonly all = new BindingList();

  add(bound: BoundBinding): void {
    this.all.add(bound);
  }

  remove(bound: BoundBinding): void {
    this.all.remove(bound);
  }

  match(_routingKey: string, _headers: HeaderSource, visitor: BindingVisitor): void {
    this.all.visit(visitor);
  }

  only(): BindingList {
    return this.all;
  }
}
