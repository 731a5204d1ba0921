/**
 * The image of the metadata log: virtual hosts, topics and queues with their partitions and log ids, exchanges, bindings. The same code runs on the
 * control thread, which validates against its image, and on every shard, which only applies. No I/O.
 *
 * What is volatile (docs/design/queue-model.md) is part of the image, and of no snapshot.
 */
import { assert, unreachable } from '../base/assert.js';
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import { AccessImage } from './access/access-image.js';
import type { AccessChange } from './access/model.js';
import { withExchangePolicies, withQueuePolicies } from './catalog/apply-policies.js';
import type { CatalogListener } from './catalog/listener.js';
import { isPredeclared } from './catalog/predeclared.js';
import { SharedSettings } from './catalog/shared-settings.js';
import { type CatalogTopic, VhostImage } from './catalog/vhost-image.js';
import { VolatileIds } from './catalog/volatile-ids.js';
import { decodeChange, encodeChange, type MetadataChange } from './metadata-changes.js';
import { PRODUCER_EPOCHS_MAX, VOLATILE_ID_FIRST } from './metadata-limits.js';
import { type Binding, DEFAULT_VHOST, type ExchangeEntry } from './model.js';
import type { StartAt, TopicEntry, TopicSettings } from './ports.js';

export type { CatalogListener } from './catalog/listener.js';
export type { CatalogTopic } from './catalog/vhost-image.js';
export { decodeChange, encodeChange, type MetadataChange, type MetadataStep } from './metadata-changes.js';

const SNAPSHOT_VERSION = 1;
const FROM_BEGINNING: StartAt = { at: 'beginning' };

/** See the top of this file. */
export class Catalog {
  /** Ids for what is volatile. Only whoever validates asks it for new ones. */
  readonly volatileIds = new VolatileIds();
  /** Users, permissions, policies, limits, parameters. */
  readonly access = new AccessImage();
  private readonly vhosts = new Map<string, VhostImage>([[DEFAULT_VHOST, new VhostImage(DEFAULT_VHOST)]]);
  private readonly byId = new Map<number, CatalogTopic>();
  private readonly byLog = new Map<number, CatalogTopic>();
  /** Topic ids of exclusive queues, by the connection that owns them. */
  private readonly byOwner = new Map<string, Set<number>>();
  private readonly epochs = new Map<number, number>();
  private readonly usedSlots = new Set<number>();
  private readonly listeners: CatalogListener[] = [];
  private readonly settings = new SharedSettings();
  /** All slots below are used. */
  private slotsUsedBelow = 0;
  private lastVersion = 0;
  private unusedTopicId = 1;
  private unusedLogId = 1;
  private reservedProducerIds = 0;
  private exchangeTotal = 0;
  private bindingTotal = 0;
  /** What takes back what was applied since `record`, in order; undefined while nothing is recorded. */
  private undo: (() => void)[] | undefined;

  /** Version of the step that was applied last. */
  get version(): number {
    return this.lastVersion;
  }

  /** The smallest topic id that was never used by what is written. */
  get nextTopicId(): number {
    return this.unusedTopicId;
  }

  /** The smallest log id that was never used by what is written. */
  get nextLogId(): number {
    return this.unusedLogId;
  }

  /** Producer ids below may have been given away. */
  get producerIdsBelow(): number {
    return this.reservedProducerIds;
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.byLog.size;
  }

  /** Topics and queues. */
  get topicCount(): number {
    return this.byId.size;
  }

  get vhostCount(): number {
    return this.vhosts.size;
  }

  /** Exchanges of all virtual hosts, without the predeclared ones. */
  get exchangeCount(): number {
    return this.exchangeTotal;
  }

  /** Bindings of all virtual hosts. */
  get bindingCount(): number {
    return this.bindingTotal;
  }

  hasVhost(vhost: string): boolean {
    return this.vhosts.has(vhost);
  }

  vhostNames(): IterableIterator<string> {
    return this.vhosts.keys();
  }

  topic(name: string, vhost: string = DEFAULT_VHOST): CatalogTopic | undefined {
    return this.vhosts.get(vhost)?.topics.get(name);
  }

  topicById(topicId: number): CatalogTopic | undefined {
    return this.byId.get(topicId);
  }

  /** The topic that a log belongs to. */
  topicOfLog(logId: number): CatalogTopic | undefined {
    return this.byLog.get(logId);
  }

  /** Topics and queues of all virtual hosts. */
  topics(): IterableIterator<CatalogTopic> {
    return this.byId.values();
  }

  /** The exclusive queues of a connection. */
  exclusiveQueues(connection: string): CatalogTopic[] {
    return [...(this.byOwner.get(connection) ?? [])].flatMap((topicId) => this.byId.get(topicId) ?? []);
  }

  exchange(vhost: string, name: string): ExchangeEntry | undefined {
    return this.vhosts.get(vhost)?.exchanges.get(name);
  }

  /** Exchanges of a virtual host, predeclared ones first. */
  exchanges(vhost: string): Iterable<ExchangeEntry> {
    return this.vhosts.get(vhost)?.exchanges.values() ?? [];
  }

  /** One virtual host, for what looks at all its parts; undefined when it does not exist. Not to be changed. */
  vhost(vhost: string): VhostImage | undefined {
    return this.vhosts.get(vhost);
  }

  hasBinding(vhost: string, binding: Binding): boolean {
    return this.vhosts.get(vhost)?.hasBinding(binding) ?? false;
  }

  /** Bindings of a virtual host, or those from one exchange, or those to one destination. */
  *bindings(
    vhost: string,
    filter: { readonly source?: string; readonly destination?: string } = {},
  ): Iterable<Binding> {
    const image = this.vhosts.get(vhost);
    if (image === undefined) return;
    const { source, destination } = filter;
    if (destination === undefined) {
      yield* source === undefined ? image.bindings() : image.bindingsFrom(source);
      return;
    }
    for (const kind of ['queue', 'exchange'] as const) {
      for (const binding of image.bindingsTo(kind, destination)) {
        if (source === undefined || binding.source === source) yield binding;
      }
    }
  }

  /** Whether a binding ends with this start of the node: one of its ends does. */
  isVolatileBinding(vhost: string, binding: Binding): boolean {
    const isTransient = (exchange: string): boolean => this.exchange(vhost, exchange)?.durable === false;
    if (isTransient(binding.source)) return true;
    if (binding.destinationKind === 'exchange') return isTransient(binding.destination);
    return isVolatileTopic(this.topic(binding.destination, vhost));
  }

  /** The last epoch that was given to a producer id. */
  producerEpoch(producerId: number): number {
    return this.epochs.get(producerId) ?? 0;
  }

  /** The `count` smallest slots that are free, ascending. */
  freeSlots(count: number): number[] {
    while (this.usedSlots.has(this.slotsUsedBelow)) this.slotsUsedBelow++;
    const slots: number[] = [];
    for (let slot = this.slotsUsedBelow; slots.length < count; slot++) if (!this.usedSlots.has(slot)) slots.push(slot);
    return slots;
  }

  /** Adds a listener and tells it of all exchanges and bindings that are there already. */
  listen(listener: CatalogListener): void {
    for (const image of this.vhosts.values()) {
      for (const exchange of image.exchanges.values()) listener.exchangeDeclared(exchange);
      for (const binding of image.bindings()) listener.bound(image.name, binding);
    }
    this.listeners.push(listener);
  }

  /**
   * Applies a step of one change. Shards may see versions skipped, since what concerns the control thread alone is not sent to them, and the metadata
   * log has gaps where steps were volatile.
   * @throws BugError when the change does not follow from the image.
   */
  apply(version: number, change: MetadataChange): void {
    this.applyStep(version, [change]);
  }

  /** Applies all changes of the step `version`. @throws BugError when one does not follow from the image. */
  applyStep(version: number, changes: readonly MetadataChange[]): void {
    this.beginStep(version);
    for (const change of changes) this.applyChange(change);
  }

  /** Begins the step `version`, whose changes follow by `applyChange`. @throws BugError unless it rises */
  beginStep(version: number): void {
    assert(version > this.lastVersion, `Cannot apply version ${version} to a catalog of version ${this.lastVersion}`);
    this.lastVersion = version;
  }

  /** From now on what is applied can be taken back by `rollBack`, until `keep`. For an image without listeners. */
  record(): void {
    assert(this.listeners.length === 0 && this.undo === undefined, 'A catalog is recorded once, and without listeners');
    const version = this.lastVersion;
    this.undo = [
      () => {
        this.lastVersion = version;
      },
    ];
  }

  /** Keeps what was applied since `record`. */
  keep(): void {
    this.undo = undefined;
  }

  /** Takes back what was applied since `record`. Ids that it has used stay used. */
  rollBack(): void {
    const undo = this.undo ?? [];
    this.undo = undefined;
    for (let index = undo.length - 1; index >= 0; index--) undo[index]!();
  }

  /**
   * Tries changes out: what `plan` applies is there for what it looks at next, and is taken back when it returns or throws. For an image without
   * listeners.
   */
  trial<Result>(plan: (apply: (changes: readonly MetadataChange[]) => void) => Result): Result {
    assert(this.listeners.length === 0, 'Only an image without listeners can try something out');
    const outer = this.undo;
    const undo: (() => void)[] = [];
    this.undo = undo;
    try {
      return plan((changes) => {
        for (const change of changes) this.applyChange(change);
      });
    } finally {
      for (let index = undo.length - 1; index >= 0; index--) undo[index]!();
      this.undo = outer;
    }
  }

  /** Applies one change of the step that was begun last. @throws BugError when it does not follow from the image */
  applyChange(change: MetadataChange): void {
    switch (change.kind) {
      case 'create-topic':
        this.create(change.topic);
        break;
      case 'attach-cursor':
        this.attach(change);
        break;
      case 'delete-topic':
        this.delete(change.topicId);
        break;
      case 'create-exchange':
        this.createExchange(change.exchange);
        break;
      case 'delete-exchange':
        this.deleteExchange(change.vhost, change.name);
        break;
      case 'bind':
        this.bind(change.vhost, change.binding);
        break;
      case 'unbind':
        this.unbind(change.vhost, change.binding);
        break;
      case 'create-vhost':
        this.createVhost(change.vhost);
        break;
      case 'delete-vhost':
        this.deleteVhost(change.vhost);
        break;
      case 'reserve-producer-ids':
        this.reserveProducerIds(change.below);
        break;
      case 'producer-epoch':
        this.setEpoch(change.producerId, change.epoch);
        break;
      case 'reserve-log-ids':
        this.unusedLogId = Math.max(this.unusedLogId, change.below);
        break;
      case 'access':
        this.applyAccess(change.change);
        break;
      default:
        unreachable(change);
    }
  }

  /** The image without what is volatile, for a checkpoint of the metadata log. */
  snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.u8(SNAPSHOT_VERSION);
    writer.uvarint(this.lastVersion);
    writer.uvarint(this.unusedTopicId);
    writer.uvarint(this.unusedLogId);
    writer.uvarint(this.reservedProducerIds);
    const changes = this.asChanges();
    writer.uvarint(changes.length);
    for (const change of changes) {
      const bytes = encodeChange(change);
      writer.uvarint(bytes.length);
      writer.raw(bytes);
    }
    return writer.copy();
  }

  /** Replaces the image, which must be that of a new catalog, by a snapshot's. @throws DecodeError */
  restore(snapshot: Uint8Array): void {
    assert(this.lastVersion === 0, `Cannot restore a catalog of version ${this.lastVersion}`);
    const reader = new ByteReader(snapshot);
    const snapshotVersion = reader.u8();
    if (snapshotVersion !== SNAPSHOT_VERSION) {
      throw new DecodeError(
        'invalid',
        `Cannot read a catalog of version ${snapshotVersion}: version ${SNAPSHOT_VERSION} is known`,
      );
    }
    const version = reader.uvarlong();
    const nextTopicId = reader.uvarlong();
    const nextLogId = reader.uvarlong();
    this.reservedProducerIds = reader.uvarlong();
    const count = reader.uvarint();
    for (let index = 0; index < count; index++) {
      this.apply(index + 1, decodeChange(reader.view(reader.uvarint())));
    }
    if (reader.remaining > 0) throw new DecodeError('invalid', `A catalog has ${reader.remaining} bytes too many`);
    this.lastVersion = version;
    this.unusedTopicId = nextTopicId;
    this.unusedLogId = nextLogId;
  }

  /** The shortest changes that make this image; topics keep their order. */
  private asChanges(): MetadataChange[] {
    const changes: MetadataChange[] = [];
    for (const vhost of this.vhosts.keys()) {
      if (vhost !== DEFAULT_VHOST) changes.push({ kind: 'create-vhost', vhost });
    }
    for (const change of this.access.asChanges()) changes.push({ kind: 'access', change });
    for (const topic of this.byId.values()) {
      if (isVolatileTopic(topic)) continue;
      changes.push({ kind: 'create-topic', topic });
      const { topicId, settings, start } = topic;
      if (start.at !== 'beginning') changes.push({ kind: 'attach-cursor', topicId, settings, start });
    }
    for (const { name: vhost, exchanges } of this.vhosts.values()) {
      for (const exchange of exchanges.values()) {
        if (exchange.durable && !isPredeclared(exchange.name)) changes.push({ kind: 'create-exchange', exchange });
      }
      for (const binding of this.bindings(vhost)) {
        if (!this.isVolatileBinding(vhost, binding)) changes.push({ kind: 'bind', vhost, binding });
      }
    }
    for (const [producerId, epoch] of this.epochs) changes.push({ kind: 'producer-epoch', producerId, epoch });
    return changes;
  }

  private create(topic: TopicEntry): void {
    const { topicId, name, partitions } = topic;
    const image = this.require(topic.vhost ?? DEFAULT_VHOST);
    assert(!image.topics.has(name), `Cannot create "${name}": it exists`);
    assert(!this.byId.has(topicId), `Cannot create "${name}": topic id ${topicId} is used`);
    for (const { logId, slot } of partitions) {
      assert(!this.byLog.has(logId), `Cannot create "${name}": log id ${logId} is used`);
      assert(!this.usedSlots.has(slot), `Cannot create "${name}": slot ${slot} is used`);
      if (logId < VOLATILE_ID_FIRST) this.unusedLogId = Math.max(this.unusedLogId, logId + 1);
      else this.volatileIds.logIdUsed(logId);
    }
    if (topicId < VOLATILE_ID_FIRST) this.unusedTopicId = Math.max(this.unusedTopicId, topicId + 1);
    else this.volatileIds.topicIdUsed(topicId);
    const entry = this.withPolicies(withStart(topic, this.settings.of(topic.settings), FROM_BEGINNING));
    this.put(entry);
    this.undo?.push(() => this.forget(this.byId.get(topicId) ?? entry));
  }

  /** What policies make of a topic; its settings are those of others that are like it. */
  private withPolicies(topic: CatalogTopic): CatalogTopic {
    const now = withQueuePolicies(this.access, topic);
    return now === topic ? topic : withStart(now, this.settings.of(now.settings), now.start);
  }

  private attach(change: MetadataChange & { kind: 'attach-cursor' }): void {
    const topic = this.byId.get(change.topicId);
    assert(topic !== undefined, `Cannot attach a cursor to topic ${change.topicId}: it does not exist`);
    this.put(this.withPolicies(withStart(topic, this.settings.of(change.settings), change.start)));
    this.undo?.push(() => this.put(topic));
  }

  private put(topic: CatalogTopic): void {
    const vhost = topic.vhost ?? DEFAULT_VHOST;
    this.require(vhost).topics.set(topic.name, topic);
    this.byId.set(topic.topicId, topic);
    for (const { logId, slot } of topic.partitions) {
      this.byLog.set(logId, topic);
      this.usedSlots.add(slot);
    }
    const owner = topic.settings.queue?.exclusiveOwner ?? '';
    if (owner !== '') this.byOwner.set(owner, (this.byOwner.get(owner) ?? new Set()).add(topic.topicId));
    for (const listener of this.listeners) listener.topicChanged(vhost, topic.name);
  }

  private delete(topicId: number): void {
    const topic = this.byId.get(topicId);
    assert(topic !== undefined, `Cannot delete topic ${topicId}: it does not exist`);
    const left = this.require(topic.vhost ?? DEFAULT_VHOST).countTo('queue', topic.name);
    assert(left === 0, `Cannot delete topic ${topicId}: ${left} bindings lead to it`);
    this.forget(topic);
    this.undo?.push(() => this.put(topic));
  }

  private forget(topic: CatalogTopic): void {
    const vhost = topic.vhost ?? DEFAULT_VHOST;
    this.require(vhost).topics.delete(topic.name);
    this.byId.delete(topic.topicId);
    for (const { logId, slot } of topic.partitions) {
      this.byLog.delete(logId);
      this.usedSlots.delete(slot);
      this.slotsUsedBelow = Math.min(this.slotsUsedBelow, slot);
    }
    const owner = topic.settings.queue?.exclusiveOwner ?? '';
    const owned = this.byOwner.get(owner);
    if (owned?.delete(topic.topicId) && owned.size === 0) this.byOwner.delete(owner);
    for (const listener of this.listeners) listener.topicChanged(vhost, topic.name);
  }

  private createExchange(declared: ExchangeEntry): void {
    const exchange = withExchangePolicies(this.access, declared);
    const { exchanges } = this.require(exchange.vhost);
    assert(!exchanges.has(exchange.name), `Cannot create exchange "${exchange.name}": it exists`);
    exchanges.set(exchange.name, exchange);
    this.exchangeTotal++;
    this.undo?.push(() => {
      exchanges.delete(exchange.name);
      this.exchangeTotal--;
    });
    for (const listener of this.listeners) listener.exchangeDeclared(exchange);
  }

  private deleteExchange(vhost: string, name: string): void {
    const image = this.require(vhost);
    const exchange = image.exchanges.get(name);
    assert(exchange !== undefined && !isPredeclared(name), `Cannot delete exchange "${name}": it was not declared`);
    const left = image.countFrom(name) + image.countTo('exchange', name);
    assert(left === 0, `Cannot delete exchange "${name}": it has ${left} bindings`);
    image.exchanges.delete(name);
    this.exchangeTotal--;
    this.undo?.push(() => {
      image.exchanges.set(name, exchange);
      this.exchangeTotal++;
    });
    for (const listener of this.listeners) listener.exchangeDeleted(vhost, name);
  }

  private bind(vhost: string, binding: Binding): void {
    const image = this.require(vhost);
    const { source, destination, destinationKind } = binding;
    assert(image.exchanges.has(source), `Cannot bind to exchange "${source}": it does not exist`);
    const destinations = destinationKind === 'queue' ? image.topics : image.exchanges;
    assert(destinations.has(destination), `Cannot bind ${destinationKind} "${destination}": it does not exist`);
    image.bind(binding);
    this.bindingTotal++;
    this.undo?.push(() => {
      image.unbind(binding);
      this.bindingTotal--;
    });
    for (const listener of this.listeners) listener.bound(vhost, binding);
  }

  private unbind(vhost: string, binding: Binding): void {
    const image = this.require(vhost);
    image.unbind(binding);
    this.bindingTotal--;
    this.undo?.push(() => {
      image.bind(binding);
      this.bindingTotal++;
    });
    for (const listener of this.listeners) listener.unbound(vhost, binding);
  }

  private createVhost(vhost: string): void {
    assert(!this.vhosts.has(vhost), `Cannot create virtual host "${vhost}": it exists`);
    const image = new VhostImage(vhost);
    this.vhosts.set(vhost, image);
    this.undo?.push(() => this.vhosts.delete(vhost));
    for (const listener of this.listeners) {
      for (const exchange of image.exchanges.values()) listener.exchangeDeclared(exchange);
    }
  }

  private deleteVhost(vhost: string): void {
    const image = this.require(vhost);
    const isEmpty = image.topics.size + image.bindingCount === 0 && [...image.exchanges.keys()].every(isPredeclared);
    assert(vhost !== DEFAULT_VHOST && isEmpty, `Cannot delete virtual host "${vhost}": it is not empty`);
    assert(!this.access.isAbout(vhost), `Cannot delete virtual host "${vhost}": something is set for it`);
    this.vhosts.delete(vhost);
    this.undo?.push(() => this.vhosts.set(vhost, image));
    for (const listener of this.listeners) {
      for (const name of image.exchanges.keys()) listener.exchangeDeleted(vhost, name);
    }
  }

  private applyAccess(change: AccessChange): void {
    this.access.apply(change, this.undo);
    if (change.kind === 'set-policy') this.policiesChanged(change.policy.vhost);
    else if (change.kind === 'clear-policy') this.policiesChanged(change.vhost);
    for (const listener of this.listeners) listener.accessChanged?.();
  }

  /** Looks at all queues and exchanges of a virtual host again. */
  private policiesChanged(vhost: string): void {
    const image = this.require(vhost);
    for (const topic of image.topics.values()) {
      const next = this.withPolicies(topic);
      if (next === topic) continue;
      this.put(next);
      this.undo?.push(() => this.put(topic));
    }
    for (const exchange of image.exchanges.values()) {
      const next = withExchangePolicies(this.access, exchange);
      if (next === exchange) continue;
      image.exchanges.set(exchange.name, next);
      this.undo?.push(() => image.exchanges.set(exchange.name, exchange));
      for (const listener of this.listeners) listener.exchangeDeclared(next);
    }
  }

  private require(vhost: string): VhostImage {
    const image = this.vhosts.get(vhost);
    assert(image !== undefined, `Virtual host "${vhost}" does not exist`);
    return image;
  }

  private reserveProducerIds(below: number): void {
    const before = this.reservedProducerIds;
    this.reservedProducerIds = Math.max(before, below);
    this.undo?.push(() => {
      this.reservedProducerIds = before;
    });
  }

  /** Remembers the epochs that were raised last; a producer forgotten here is fenced by its logs and takes a new id. */
  private setEpoch(producerId: number, epoch: number): void {
    const before = this.epochs.get(producerId);
    this.epochs.delete(producerId);
    this.epochs.set(producerId, epoch);
    this.undo?.push(() =>
      before === undefined ? this.epochs.delete(producerId) : this.epochs.set(producerId, before),
    );
    if (this.epochs.size <= PRODUCER_EPOCHS_MAX) return;
    for (const oldest of this.epochs.keys()) {
      this.epochs.delete(oldest);
      break;
    }
  }
}

/** Written out: objects that are spread have no shape in common with each other, and take twice the memory. */
function withStart(
  { name, vhost, topicId, partitions }: TopicEntry,
  settings: TopicSettings,
  start: StartAt,
): CatalogTopic {
  if (vhost === undefined) return { name, topicId, settings, partitions, start };
  return { name, vhost, topicId, settings, partitions, start };
}

/** Whether a topic ends with this start of the node. */
export function isVolatileTopic(topic: TopicEntry | undefined): boolean {
  return topic !== undefined && topic.topicId >= VOLATILE_ID_FIRST;
}
