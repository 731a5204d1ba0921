/** Exchanges and bindings by RabbitMQ's rules and with its sentences (rabbit_channel.erl, rabbit_exchange.erl, rabbit_binding.erl). */
import { encodeTable, type FieldTable, type FieldValue, textOf } from '../../record/amqp/field-table.js';
import type { Catalog } from '../catalog.js';
import { BrokerError } from '../errors.js';
import type { MetadataChange } from '../metadata-changes.js';
import { BINDINGS_MAX, EXCHANGES_MAX } from '../metadata-limits.js';
import type { Binding, ExchangeDeclaration, ExchangeEntry } from '../model.js';
import { argumentTable, checkShortName, ownBytes, requireAccess } from './queue-declarations.js';
import { marked, Removal } from './removal.js';
import {
  erlangTerm,
  erlangType,
  notFound,
  preconditionFailed,
  refuseReservedName,
  requireEqual,
  requireEqualArguments,
  resource,
} from './sentences.js';
import { requireVhost } from './vhost-declarations.js';

const TYPES: readonly string[] = ['direct', 'fanout', 'topic', 'headers'];
const MATCHES: readonly (string | undefined)[] = ['all', 'any', 'all-with-x', 'any-with-x'];

/** What declaring an exchange changes; nothing when it exists and is the same. @throws BrokerError */
export function exchangeDeclarationChanges(
  catalog: Catalog,
  declaration: ExchangeDeclaration,
): readonly MetadataChange[] {
  const { vhost, name, passive } = declaration;
  requireVhost(catalog, vhost);
  const subject = resource('exchange', vhost, name);
  refuseDefaultExchange(name);
  const existing = catalog.exchange(vhost, name);
  if (passive) {
    if (existing === undefined) notFound(subject);
    return [];
  }
  const table = argumentTable(declaration.arguments, subject);
  if (existing !== undefined) {
    refuseDifference(existing, declaration, table, subject);
    return [];
  }
  refuseReservedName('exchange', name);
  checkShortName(name, subject);
  if (catalog.exchangeCount >= EXCHANGES_MAX) {
    throw new BrokerError('limit-exceeded', `Cannot declare ${subject}: there are ${EXCHANGES_MAX} exchanges already`);
  }
  return [marked({ kind: 'create-exchange', exchange: entryOf(declaration, table, subject) }, !declaration.durable)];
}

function entryOf(declaration: ExchangeDeclaration, table: FieldTable, subject: string): ExchangeEntry {
  const { vhost, name, type, durable, autoDelete, internal } = declaration;
  const alternate = table.get('alternate-exchange');
  if (alternate !== undefined && alternate.type !== 'longstr') {
    preconditionFailed(`invalid type '${erlangType(alternate)}' for arg 'alternate-exchange' in ${subject}`);
  }
  return {
    vhost,
    name,
    type,
    routesAs: type === 'x-delayed-message' ? delayedType(table) : type,
    durable,
    autoDelete,
    internal,
    alternate: textOf(alternate),
    arguments: ownBytes(declaration.arguments),
  };
}

function delayedType(table: FieldTable): ExchangeEntry['routesAs'] {
  const type = textOf(table.get('x-delayed-type')) ?? '';
  if (!TYPES.includes(type)) preconditionFailed("Invalid argument, 'x-delayed-type' must be an existing exchange type");
  // One of TYPES.
  return type as ExchangeEntry['routesAs'];
}

function refuseDifference(
  existing: ExchangeEntry,
  declaration: ExchangeDeclaration,
  table: FieldTable,
  subject: string,
): void {
  requireEqual(subject, 'type', existing.type, declaration.type);
  requireEqual(subject, 'durable', existing.durable, declaration.durable);
  requireEqual(subject, 'auto_delete', existing.autoDelete, declaration.autoDelete);
  requireEqual(subject, 'internal', existing.internal, declaration.internal);
  requireEqualArguments(subject, argumentTable(existing.arguments, subject), table, ['alternate-exchange']);
}

/** What deleting an exchange changes; nothing when it does not exist. @throws BrokerError `access-refused`, `precondition-failed` */
export function exchangeDeletionChanges(
  catalog: Catalog,
  vhost: string,
  name: string,
  ifUnused: boolean,
): readonly MetadataChange[] {
  const image = requireVhost(catalog, vhost);
  refuseDefaultExchange(name);
  const subject = resource('exchange', vhost, name);
  if (name.startsWith('amq.')) {
    throw new BrokerError('access-refused', `deletion of system ${subject} not allowed`);
  }
  if (!image.exchanges.has(name)) return [];
  if (ifUnused && image.countFrom(name) > 0) preconditionFailed(`${subject} in use`);
  return new Removal(catalog, image).exchange(name).changes;
}

/** What binding changes; nothing when the binding exists. @throws BrokerError `access-refused`, `not-found`, `resource-locked`, `precondition-failed` */
export function bindingChanges(
  catalog: Catalog,
  vhost: string,
  wanted: Binding,
  connection: string,
): readonly MetadataChange[] {
  const image = requireVhost(catalog, vhost);
  const { source, destination, destinationKind } = wanted;
  refuseDefaultEnds(wanted);
  const exchange = image.exchanges.get(source);
  if (exchange === undefined) notFound(resource('exchange', vhost, source));
  const subject = resource(destinationKind, vhost, destination);
  const topic = destinationKind === 'queue' ? image.topics.get(destination) : undefined;
  if (topic === undefined && !(destinationKind === 'exchange' && image.exchanges.has(destination))) notFound(subject);
  const binding = canonical(wanted, subject);
  if (exchange.routesAs === 'headers') checkMatch(argumentTable(binding.arguments, subject).get('x-match'));
  if (topic !== undefined) requireAccess(topic, connection, subject);
  if (image.hasBinding(binding)) return [];
  if (catalog.bindingCount >= BINDINGS_MAX) {
    throw new BrokerError('limit-exceeded', `Cannot bind ${subject}: there are ${BINDINGS_MAX} bindings already`);
  }
  return [marked({ kind: 'bind', vhost, binding }, catalog.isVolatileBinding(vhost, binding))];
}

/** What unbinding changes; nothing when there is no such binding. @throws BrokerError `access-refused`, `resource-locked` */
export function unbindingChanges(
  catalog: Catalog,
  vhost: string,
  wanted: Binding,
  connection: string,
): readonly MetadataChange[] {
  const image = requireVhost(catalog, vhost);
  refuseDefaultEnds(wanted);
  const subject = resource(wanted.destinationKind, vhost, wanted.destination);
  const binding = image.findBinding(canonical(wanted, subject));
  if (binding === undefined) return [];
  const topic = wanted.destinationKind === 'queue' ? image.topics.get(wanted.destination) : undefined;
  if (topic !== undefined) requireAccess(topic, connection, subject);
  return new Removal(catalog, image).binding(binding).changes;
}

/** The order of arguments makes no difference between bindings: they are kept in that of their names. */
function canonical(binding: Binding, subject: string): Binding {
  if (binding.arguments.length === 0) return { ...binding, arguments: ownBytes(binding.arguments) };
  const fields = [...argumentTable(binding.arguments, subject)].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...binding, arguments: ownBytes(encodeTable(new Map(fields))) };
}

function checkMatch(match: FieldValue | undefined): void {
  if (match === undefined) return;
  if (match.type !== 'longstr') {
    const given = `${erlangType(match)} (value ${erlangTerm(match)})`;
    preconditionFailed(`Invalid x-match field type ${given}; expected longstr`);
  }
  if (MATCHES.includes(textOf(match))) return;
  const text = 'expected all, any, all-with-x, or any-with-x';
  preconditionFailed(`Invalid x-match field value ${erlangTerm(match)}; ${text}`);
}

function refuseDefaultEnds({ source, destination, destinationKind }: Binding): void {
  if (destinationKind === 'exchange') refuseDefaultExchange(destination);
  refuseDefaultExchange(source);
}

function refuseDefaultExchange(name: string): void {
  if (name === '') throw new BrokerError('access-refused', 'operation not permitted on the default exchange');
}
