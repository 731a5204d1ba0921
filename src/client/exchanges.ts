/** Exchanges and bindings. */
import type { WireKind } from '../proto/client-wire.js';
import { type Fields, fieldsOf, wireFields } from './values.js';

/** How an exchange chooses among its bindings. */
export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers' | 'x-delayed-message';

/** How an exchange is declared. */
export interface ExchangeSettings {
  /** Default `direct`. */
  readonly type?: ExchangeType;
  /** Default true. */
  readonly durable?: boolean;
  /** Gone with its last binding. */
  readonly autoDelete?: boolean;
  /** Takes messages from other exchanges only. */
  readonly internal?: boolean;
  /** The exchange that gets what no binding matches. */
  readonly alternate?: string;
  /** What `x-delayed-message` routes as. */
  readonly delayedType?: Exclude<ExchangeType, 'x-delayed-message'>;
  /** Further arguments, by AMQP's names. */
  readonly arguments?: Fields;
  /** Only check that it exists. */
  readonly passive?: boolean;
}

/** An exchange that exists. */
export interface ExchangeDescription {
  readonly name: string;
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly alternate: string | undefined;
  readonly delayedType: string | undefined;
  readonly arguments: Fields;
}

/** From an exchange to a queue, a topic or another exchange. */
export interface BindingSettings {
  readonly source: string;
  /** A queue or topic; or else `exchange`. */
  readonly queue?: string;
  readonly exchange?: string;
  readonly routingKey?: string;
  /** What a headers exchange matches, with `x-match`. */
  readonly arguments?: Fields;
}

/** Which bindings to list. */
export interface BindingFilter {
  readonly source?: string;
  readonly destination?: string;
  /** For the next page. */
  readonly skip?: number;
  /** Default 1,000. */
  readonly limit?: number;
}

/** An exchange on the way of a message that was only asked about. */
export interface RouteStep {
  readonly exchange: string;
  readonly type: string;
  /** How the message would come here: `publish`, `binding` or `alternate`. */
  readonly reachedBy: string;
  /** The exchange before it; empty for the first one. */
  readonly from: string;
  readonly matches: readonly RouteMatch[];
  /** The exchange that gets the message because nothing matches. */
  readonly alternate: string | undefined;
  /** A sentence for people. */
  readonly note: string;
}

/** A binding that a message matches. */
export interface RouteMatch {
  readonly binding: BindingSettings;
  /** The routing key that matched; empty where keys do not matter. */
  readonly key: string;
  /** For people. */
  readonly reason: string;
}

/** Where a message would go. */
export interface RouteExplanation {
  readonly steps: readonly RouteStep[];
  /** Whether there are more matches than were told. */
  readonly more: boolean;
}

/** An explanation as programs see it. */
export function explanationOf(wire: WireKind<'routeExplanation'>): RouteExplanation {
  const steps = (wire.steps ?? []).map((step) => ({
    exchange: step.exchange ?? '',
    type: step.type ?? '',
    reachedBy: step.reachedBy ?? '',
    from: step.from ?? '',
    matches: (step.matches ?? []).map((match) => ({
      binding: bindingOf(match.binding ?? {}),
      key: match.key ?? '',
      reason: match.reason ?? '',
    })),
    alternate: step.alternate ?? undefined,
    note: step.note ?? '',
  }));
  return { steps, more: wire.more ?? false };
}

/** A declaration as a frame. */
export function declareExchangeFrame(name: string, settings: ExchangeSettings): WireKind<'declareExchange'> {
  const { arguments: fields, passive, type = 'direct', ...rest } = settings;
  return { exchange: { name, type, ...rest, arguments: wireFields(fields) }, passive: passive ?? false };
}

/** A binding as a frame. */
export function bindFrame(binding: BindingSettings): WireKind<'bind'> {
  const { source, queue, exchange, routingKey = '' } = binding;
  return {
    binding: {
      source,
      destination: queue ?? exchange ?? '',
      toExchange: queue === undefined,
      routingKey,
      arguments: wireFields(binding.arguments),
    },
  };
}

/** An exchange as programs see it. */
export function exchangeOf(wire: NonNullable<WireKind<'exchangeList'>['exchanges']>[number]): ExchangeDescription {
  return {
    name: wire.name ?? '',
    type: wire.type ?? '',
    durable: wire.durable ?? true,
    autoDelete: wire.autoDelete ?? false,
    internal: wire.internal ?? false,
    alternate: wire.alternate ?? undefined,
    delayedType: wire.delayedType ?? undefined,
    arguments: fieldsOf(wire.arguments),
  };
}

/** A binding as programs see it. */
export function bindingOf(wire: NonNullable<WireKind<'bindingList'>['bindings']>[number]): BindingSettings {
  const { source, destination, toExchange, routingKey } = wire;
  return {
    source: source ?? '',
    ...(toExchange ? { exchange: destination ?? '' } : { queue: destination ?? '' }),
    routingKey: routingKey ?? '',
    arguments: fieldsOf(wire.arguments),
  };
}
