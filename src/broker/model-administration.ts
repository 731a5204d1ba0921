/** The part of RoutingBroker that is about metadata: looks are into this shard's copy of the catalog, changes go to the control thread. */
import type { Catalog } from './catalog.js';
import type { ControlLink } from './control-link.js';
import { exchangeDeclarationChanges } from './declarations.js';
import { BrokerError } from './errors.js';
import type { Binding, ExchangeDeclaration, ExchangeEntry } from './model.js';
import type { DeleteQueueOptions, RoutingBroker } from './ports.js';

type MetadataMethods =
  | 'hasVhost'
  | 'exchange'
  | 'exchanges'
  | 'bindings'
  | 'declareExchange'
  | 'deleteExchange'
  | 'bind'
  | 'unbind'
  | 'deleteQueue'
  | 'connectionClosed';

/** See the top of this file. */
export class ModelAdministration implements Pick<RoutingBroker, MetadataMethods> {
  private readonly catalog: Catalog;
  private readonly control: ControlLink;

  constructor(catalog: Catalog, control: ControlLink) {
    this.catalog = catalog;
    this.control = control;
  }

  hasVhost(vhost: string): boolean {
    return this.catalog.hasVhost(vhost);
  }

  exchange(vhost: string, name: string): ExchangeEntry | undefined {
    return this.catalog.exchange(vhost, name);
  }

  exchanges(vhost: string): Iterable<ExchangeEntry> {
    return this.catalog.exchanges(vhost);
  }

  bindings(vhost: string, filter?: { readonly source?: string; readonly destination?: string }): Iterable<Binding> {
    return this.catalog.bindings(vhost, filter);
  }

  async declareExchange(declaration: ExchangeDeclaration): Promise<ExchangeEntry> {
    const { vhost, name } = declaration;
    if (!this.isDeclared(declaration)) await this.control.declareExchange(declaration);
    const exchange = this.catalog.exchange(vhost, name);
    // Somebody may have deleted it between the answer and now.
    if (exchange === undefined) throw new BrokerError('not-found', `no exchange '${name}' in vhost '${vhost}'`);
    return exchange;
  }

  deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void> {
    return this.control.deleteExchange(vhost, name, ifUnused);
  }

  bind(vhost: string, binding: Binding, connection: string): Promise<void> {
    return this.control.bind(vhost, binding, connection);
  }

  unbind(vhost: string, binding: Binding, connection: string): Promise<void> {
    return this.control.unbind(vhost, binding, connection);
  }

  deleteQueue(vhost: string, name: string, options: DeleteQueueOptions): Promise<number> {
    return this.control.deleteQueue(vhost, name, options);
  }

  /** Asks even when this copy knows of no such queue: one may be on its way. */
  async connectionClosed(connection: string): Promise<void> {
    if (connection !== '') await this.control.connectionClosed(connection);
  }

  /** Clients declare again and again what is there: this shard knows that by itself. What is refused here the control thread looks at once more. */
  private isDeclared(declaration: ExchangeDeclaration): boolean {
    try {
      return exchangeDeclarationChanges(this.catalog, declaration).length === 0;
    } catch (error) {
      if (error instanceof BrokerError) return false;
      throw error;
    }
  }
}
