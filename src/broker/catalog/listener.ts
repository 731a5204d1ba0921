import type { Binding, ExchangeEntry } from '../model.js';

/** Hears what a catalog's changes do to routing; a Router is one. Called while the change is applied, after the image has it. */
export interface CatalogListener {
  /** An exchange is there now, predeclared ones included. */
  exchangeDeclared(exchange: ExchangeEntry): void;
  /** An exchange has gone; its bindings have gone before. */
  exchangeDeleted(vhost: string, name: string): void;
  bound(vhost: string, binding: Binding): void;
  unbound(vhost: string, binding: Binding): void;
  /** A topic or queue was declared, replaced or deleted. */
  topicChanged(vhost: string, name: string): void;
  /** Users, permissions, policies, limits or parameters have changed. */
  accessChanged?(): void;
}
