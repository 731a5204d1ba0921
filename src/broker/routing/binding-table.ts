import type { ExchangeEntry } from '../model.js';
import type { BindingTable, HeaderSource } from './binding-types.js';
import { addToList, BindingList, type BindingVisitor, type BoundBinding, removeFromList } from './bound-binding.js';
import { HeadersTable } from './headers-table.js';
import { KeyTable } from './key-table.js';
import { TopicTrie } from './topic-trie.js';

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
  private readonly byKey = new KeyTable<BindingList>();

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
