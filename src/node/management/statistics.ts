/**
 * Answers what the management API asks of all shards (docs/protocols/management.md). Runs on the control thread: collects figures and looks at connections
 * when somebody asks, makes items only of what is shown, and samples counters for rates as long as somebody watches.
 */
import { BugError } from '../../base/assert.js';
import type { Catalog, CatalogTopic } from '../../broker/catalog.js';
import { type ExchangeEntry, INTERNAL_VHOST } from '../../broker/model.js';
import { ManagementError } from '../../doors/management/errors.js';
import type { Scope, StatisticsAnswer, StatisticsQuestion } from '../../doors/management/index.js';
import type { JsonObject } from '../../doors/management/json.js';
import { type ListParameters, type ListShape, listText } from '../../doors/management/lists.js';
import type { TimerHandle, Timers } from '../../io/ports.js';
import type { ShardReport } from '../shard-report.js';
import * as connections from './connection-items.js';
import { type ExchangeContext, exchangeCounts, exchangeItem, exchangeShape } from './exchange-items.js';
import type { InspectionDepth, ShardInspection } from './inspection.js';
import { Latest } from './latest.js';
import * as limits from './limits.js';
import { deliverySample, deliveryStats, withRates } from './message-stats.js';
import { type ManagementFacts, nodeItem, overviewItem, totalSample, totalsOf } from './node-items.js';
import { exchangePolicy, queuePolicies } from './policy-facts.js';
import { byVhost, figuresOf, partitionTable, type QueueFigures, queuesOf, sumOf } from './queue-figures.js';
import { type QueueContext, queueItem, queueKey, queueShape } from './queue-items.js';
import { Rates } from './rates.js';

/** What statistics are made of. */
export interface StatisticsParts {
  readonly catalog: Catalog;
  collect(): Promise<readonly ShardReport[]>;
  inspect(depth: InspectionDepth): Promise<readonly ShardInspection[]>;
  closeConnection(id: string, reason: string): void;
  facts(): Promise<ManagementFacts>;
  /** 0 = the default. */
  setMemoryLimit(bytes: number): Promise<void>;
  readonly timers: Timers;
  nowMs(): number;
}

const TOTALS = 'totals';
const QUEUE_TOTALS = 'queue totals';

/** See the top of this file. */
export class Statistics {
  private readonly parts: StatisticsParts;
  private readonly reports: Latest<readonly ShardReport[]>;
  private readonly inspections: Record<InspectionDepth, Latest<readonly ShardInspection[]>>;
  private readonly rates = new Rates();
  /** When a queue's counters were last seen to change, by topic id. */
  private readonly quietSince = new Map<number, number>();
  private inspecting: Promise<unknown> = Promise.resolve();
  private timer: TimerHandle | undefined;
  private lastAskedMs = 0;
  private isStopped = false;

  constructor(parts: StatisticsParts) {
    this.parts = parts;
    const nowMs = () => parts.nowMs();
    this.reports = new Latest(() => parts.collect(), nowMs);
    const looks = (depth: InspectionDepth) => new Latest(() => this.inspect(depth), nowMs);
    this.inspections = {
      connections: looks('connections'),
      channels: looks('channels'),
      consumers: looks('consumers'),
    };
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.parts.timers.clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Answers a question of a shard's management door. */
  async answer(question: StatisticsQuestion): Promise<StatisticsAnswer> {
    this.watch();
    try {
      return await this.answerTo(question);
    } catch (thrown) {
      if (thrown instanceof ManagementError) return { kind: 'refused', code: thrown.code, reason: thrown.message };
      throw thrown;
    }
  }

  private async answerTo(question: StatisticsQuestion): Promise<StatisticsAnswer> {
    switch (question.kind) {
      case 'overview':
        return item(await this.overview(question.scope));
      case 'node':
        return item(nodeItem(await this.parts.facts(), await this.reports.get()));
      case 'state': {
        const { listeners, alarms, certificates } = await this.parts.facts();
        return { kind: 'state', state: { listeners, alarms, certificates } };
      }
      case 'set-memory-limit':
        await this.parts.setMemoryLimit(question.bytes);
        return item({});
      case 'list':
        return { kind: 'text', json: await this.list(question) };
      case 'queue':
        return item(await this.queue(question.vhost, question.name));
      case 'exchange':
        return item(await this.exchange(question.vhost, question.name));
      case 'vhost':
        return item(await this.vhost(question.name));
      case 'connection':
        return item(await this.connection(question.name));
      case 'channel':
        return item(await this.channel(question.name));
      case 'close-connection':
        return item(await this.close(({ name }) => name === question.name, question.reason));
      case 'close-connections-of':
        return item(await this.close(({ facts }) => facts.user === question.user, question.reason));
    }
  }

  // ---- Lists ----

  private async list(question: StatisticsQuestion & { kind: 'list' }): Promise<string> {
    const { scope, parameters, connection } = question;
    switch (question.list) {
      case 'queues':
        return listText(queuesOf(this.parts.catalog, scope.vhosts), queueShape(await this.queueContext()), parameters);
      case 'exchanges':
        return listText(this.exchangesOf(scope), exchangeShape(await this.exchangeContext()), parameters);
      case 'vhosts':
        return this.vhostList(scope, parameters);
      case 'connections': {
        const context = await this.connectionContext();
        const rows = this.visible(await this.rows('connections', context), scope);
        return listText(rows, connections.connectionShape(context), parameters);
      }
      case 'channels': {
        const context = await this.connectionContext();
        const rows = this.visible(await this.rows('channels', context), scope);
        const wanted = connection === undefined ? rows : rows.filter(({ name }) => name === connection);
        return listText(connections.channelRows(wanted), connections.channelShape(context), parameters);
      }
      case 'consumers': {
        const context = await this.connectionContext();
        const channels = connections.channelRows(this.visible(await this.rows('consumers', context), scope));
        return listText(connections.consumerRows(channels), connections.consumerShape(context), parameters);
      }
    }
  }

  private visible(rows: readonly connections.ConnectionRow[], { vhosts, user }: Scope): connections.ConnectionRow[] {
    return rows.filter(({ facts }) => {
      if (user !== undefined && facts.user !== user) return false;
      return vhosts === undefined || vhosts.includes(facts.vhost);
    });
  }

  private vhostNames({ vhosts }: Scope): string[] {
    const names = [...this.parts.catalog.vhostNames()].filter((name) => name !== INTERNAL_VHOST);
    return vhosts === undefined ? names : names.filter((name) => vhosts.includes(name));
  }

  private exchangesOf(scope: Scope): ExchangeEntry[] {
    return this.vhostNames(scope).flatMap((vhost) => [...this.parts.catalog.exchanges(vhost)]);
  }

  // ---- Queues, exchanges, virtual hosts ----

  private async queueContext(): Promise<QueueContext> {
    const [reports, facts] = await Promise.all([this.reports.get(), this.parts.facts()]);
    return {
      nodeName: facts.nodeName,
      table: partitionTable(reports),
      rates: this.rates,
      policies: (topic) => queuePolicies(this.parts.catalog, topic),
      idleSinceMs: (topic) => this.quietSince.get(topic.topicId),
      owner: () => undefined,
    };
  }

  private async queue(vhost: string, name: string): Promise<JsonObject | undefined> {
    const topic = this.parts.catalog.topic(name, vhost);
    if (topic?.settings.kind !== 'queue') return undefined;
    const context = await this.connectionContext();
    const [queue, rows] = await Promise.all([this.queueContext(), this.rows('consumers', context)]);
    const here = rows.filter(({ facts }) => facts.vhost === vhost);
    const consumers = connections
      .consumerRows(connections.channelRows(here))
      .filter(({ consumer }) => consumer.queue === name);
    const owner = rows.find(({ facts }) => facts.id === topic.settings.queue?.exclusiveOwner);
    return {
      ...queueItem(topic, {
        ...queue,
        owner: () => owner && { name: owner.name, peer_host: owner.facts.remoteAddress },
      }),
      consumer_details: consumers.map((row) => connections.consumerItem(row, context)),
      deliveries: [],
      incoming: [],
      garbage_collection: {},
    };
  }

  private async exchangeContext(): Promise<ExchangeContext> {
    const counts = exchangeCounts(await this.reports.get());
    return { counts, rates: this.rates, policy: (exchange) => exchangePolicy(this.parts.catalog, exchange) };
  }

  private async exchange(vhost: string, name: string): Promise<JsonObject | undefined> {
    const exchange = this.parts.catalog.exchange(vhost, name);
    if (exchange === undefined) return undefined;
    return { ...exchangeItem(exchange, await this.exchangeContext()), incoming: [], outgoing: [] };
  }

  private async vhostList(scope: Scope, parameters: ListParameters): Promise<string> {
    const context = await this.queueContext();
    const groups = byVhost(queuesOf(this.parts.catalog, scope.vhosts));
    const shape: ListShape<string> = {
      order: ['name'],
      name: (name) => name,
      item: (name) => this.vhostItem(name, sumOf(groups.get(name) ?? [], context.table), context.nodeName),
    };
    return listText(this.vhostNames(scope), shape, parameters);
  }

  private async vhost(name: string): Promise<JsonObject | undefined> {
    if (!this.parts.catalog.hasVhost(name) || name === INTERNAL_VHOST) return undefined;
    const { table, nodeName } = await this.queueContext();
    return this.vhostItem(name, sumOf(queuesOf(this.parts.catalog, [name]), table), nodeName);
  }

  private vhostItem(name: string, figures: QueueFigures, nodeName: string): JsonObject {
    const { description, tags, defaultQueueType } = this.parts.catalog.access.vhostMetadata(name);
    const rate = this.rates.of(vhostKey(name));
    const stats = deliveryStats(figures, rate);
    return {
      name,
      description,
      tags: [...tags],
      default_queue_type: defaultQueueType ?? 'undefined',
      metadata: { description, tags: [...tags], ...(defaultQueueType && { default_queue_type: defaultQueueType }) },
      tracing: false,
      cluster_state: { [nodeName]: 'running' },
      ...withRates([
        ['messages', figures.ready + figures.unacknowledged, rate(6)],
        ['messages_ready', figures.ready, rate(4)],
        ['messages_unacknowledged', figures.unacknowledged, rate(5)],
      ]),
      ...(stats.every(([, value]) => value === 0) ? {} : { message_stats: withRates(stats) }),
    };
  }

  // ---- Connections ----

  /** One look at a time: shards do not say how deep the look was that they answer. */
  private inspect(depth: InspectionDepth): Promise<readonly ShardInspection[]> {
    const look = this.inspecting.then(() => this.parts.inspect(depth));
    this.inspecting = look.catch(() => {});
    return look;
  }

  private async connectionContext(): Promise<connections.ConnectionContext> {
    const { nodeName, host, listeners } = await this.parts.facts();
    const portOf = (protocols: readonly string[]): number =>
      listeners.find(({ protocol }) => protocols.includes(protocol))?.port ?? 0;
    const ports = { amqp: portOf(['amqp']), amqps: portOf(['amqp/ssl']), http: portOf(['http', 'https']) };
    return { nodeName, host, ports, rates: this.rates };
  }

  private async rows(
    depth: InspectionDepth,
    context: connections.ConnectionContext,
  ): Promise<connections.ConnectionRow[]> {
    return connections.connectionRows(await this.inspections[depth].get(), context);
  }

  private async connection(name: string): Promise<JsonObject | undefined> {
    const context = await this.connectionContext();
    const row = (await this.rows('connections', context)).find((one) => one.name === name);
    return row && connections.connectionItem(row, context);
  }

  private async channel(name: string): Promise<JsonObject | undefined> {
    const context = await this.connectionContext();
    const rows = connections.channelRows(await this.rows('consumers', context));
    const row = rows.find((one) => connections.channelName(one) === name);
    if (row === undefined) return undefined;
    const consumers = row.channel.consumers.map((consumer) => connections.consumerItem({ ...row, consumer }, context));
    return { ...connections.channelItem(row, context), consumer_details: consumers, publishes: [], deliveries: [] };
  }

  private async close(
    isMeant: (row: connections.ConnectionRow) => boolean,
    reason: string,
  ): Promise<JsonObject | undefined> {
    const rows = (await this.rows('connections', await this.connectionContext())).filter(isMeant);
    for (const { facts } of rows) this.parts.closeConnection(facts.id, reason);
    return rows.length === 0 ? undefined : {};
  }

  // ---- The whole node ----

  private async overview(scope: Scope): Promise<JsonObject> {
    const [facts, reports, context] = await Promise.all([
      this.parts.facts(),
      this.reports.get(),
      this.connectionContext(),
    ]);
    const rows = this.visible(await this.rows('connections', context), scope);
    const amqp = rows.flatMap((row) => (row.door === 'amqp' ? [row.facts] : []));
    const queues = queuesOf(this.parts.catalog, scope.vhosts);
    const figures = sumOf(queues, partitionTable(reports));
    return overviewItem({
      facts,
      totals: totalsOf(reports),
      totalRate: this.rates.of(TOTALS),
      queues: figures,
      queueRate: this.rates.of(QUEUE_TOTALS),
      objects: {
        channels: amqp.reduce((sum, { channelCount }) => sum + channelCount, 0),
        connections: rows.length,
        consumers: figures.consumers,
        exchanges: this.exchangesOf(scope).length,
        queues: queues.length,
      },
    });
  }

  // ---- Samples ----

  private watch(): void {
    this.lastAskedMs = this.parts.nowMs();
    if (this.timer === undefined && !this.isStopped) this.schedule();
  }

  private schedule(): void {
    this.timer = this.parts.timers.setTimeout(() => {
      this.timer = undefined;
      this.sample().catch((thrown: unknown) => {
        throw new BugError('Statistics could not be sampled', { cause: thrown });
      });
    }, limits.SAMPLE_MS);
    this.timer.unref();
  }

  private async sample(): Promise<void> {
    if (this.isStopped) return;
    if (this.parts.nowMs() - this.lastAskedMs > limits.WATCHED_MS) {
      // Nobody watches: what is kept would only grow old.
      this.rates.clear();
      this.quietSince.clear();
      return;
    }
    const [reports, context] = await Promise.all([this.reports.get(), this.connectionContext()]);
    const rows = await this.rows('connections', context);
    if (this.isStopped) return;
    this.rates.begin(this.parts.nowMs());
    this.takeSamples(reports);
    for (const row of rows) this.rates.take(connections.connectionKey(row), connections.connectionSample(row));
    this.rates.end();
    this.schedule();
  }

  private takeSamples(reports: readonly ShardReport[]): void {
    const { catalog } = this.parts;
    this.rates.take(TOTALS, totalSample(totalsOf(reports)));
    const table = partitionTable(reports);
    const queues = queuesOf(catalog, undefined);
    const all = sumOf(queues, table);
    this.rates.take(QUEUE_TOTALS, [all.ready, all.unacknowledged, all.ready + all.unacknowledged]);
    for (const [vhost, own] of byVhost(queues)) {
      this.rates.take(vhostKey(vhost), queueSample(sumOf(own, table)));
    }
    const living = new Set<number>();
    for (const topic of queues) {
      living.add(topic.topicId);
      this.rates.take(queueKey(topic), queueSample(figuresOf(topic, table)));
      this.noteQuiet(topic);
    }
    for (const topicId of this.quietSince.keys()) if (!living.has(topicId)) this.quietSince.delete(topicId);
    for (const [key, { published, routed }] of exchangeCounts(reports)) this.rates.take(key, [published, routed]);
  }

  /** A queue of whose counters none has changed between two samples is idle since the first of them. */
  private noteQuiet(topic: CatalogTopic): void {
    const rate = this.rates.of(queueKey(topic));
    const isQuiet = [0, 1, 2, 3, 4, 5].every((index) => rate(index) === 0);
    if (!isQuiet) this.quietSince.delete(topic.topicId);
    else if (!this.quietSince.has(topic.topicId)) this.quietSince.set(topic.topicId, this.parts.nowMs());
  }
}

function item(found: JsonObject | undefined): StatisticsAnswer {
  return { kind: 'item', item: found };
}

function vhostKey(vhost: string): string {
  return `vhost ${vhost}`;
}

function queueSample(figures: QueueFigures): number[] {
  const { ready, unacknowledged } = figures;
  return [...deliverySample(figures), ready, unacknowledged, ready + unacknowledged];
}
