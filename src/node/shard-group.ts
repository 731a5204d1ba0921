/**
 * All shards of the node as the control thread sees them: started together, told together, awaited together.
 */
import type { MetadataStep } from '../broker/catalog.js';
import { ListenError } from '../io/listen/errors.js';
import type { SpawnOptions, ThreadHandle, Threads } from '../io/threads.js';
import type {
  ControlRequest,
  DoorName,
  FromShard,
  PlainError,
  SealConditions,
  SealResult,
  StepFailure,
  ToShard,
} from './control-messages.js';
import type { InspectionDepth, ShardInspection } from './management/inspection.js';
import { shardEntry } from './shard-entry.js';
import type { ShardReport } from './shard-report.js';
import type { ShardSetup } from './shard-setup.js';

/** How the group speaks to the node. */
export interface ShardGroupEvents {
  /** A session asks; the answer goes back to its shard. @throws BrokerError */
  request(body: ControlRequest): Promise<unknown>;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>): void;
  /** A shard failed or ended by itself: the node must not go on without it. */
  died(shard: number, error: Error): void;
  /** An error as a shard may pass it on. */
  plain(error: unknown): PlainError;
}

type Kind = FromShard['kind'];
type MessageOf<K extends Kind> = Extract<FromShard, { kind: K }>;

interface Member {
  readonly shard: number;
  readonly thread: ThreadHandle<ToShard, FromShard>;
  /** Who waits for the next message of a kind. */
  readonly waiting: Map<Kind, (message: FromShard) => void>;
  hasEnded: boolean;
  /** Resolves when the thread has ended. */
  ended: Promise<void>;
}

/** See the top of this file. */
export class ShardGroup {
  private readonly members: Member[];
  private readonly events: ShardGroupEvents;
  private isStopping = false;
  /** What every shard was asked last on the way to the end, and who has not done it yet. */
  private stopStep = '';
  private readonly unfinished = new Set<number>();
  private nextCollection = 1;
  private nextSeal = 1;
  /** Who waits for a seal, by its number. */
  private readonly sealing = new Map<number, (result: SealResult) => void>();

  constructor(threads: Threads, setups: readonly SpawnOptions<ShardSetup>[], events: ShardGroupEvents) {
    this.events = events;
    this.members = setups.map((options, shard) => {
      const member: Member = {
        shard,
        thread: threads.spawn(shardEntry, options),
        waiting: new Map(),
        hasEnded: false,
        ended: Promise.resolve(),
      };
      member.thread.onMessage((message) => this.receive(member, message));
      member.ended = this.watch(member);
      return member;
    });
  }

  /** Resolves with one message of a kind from every shard, after sending `message` to each where one is given. */
  all<K extends Kind>(kind: K, message?: ToShard): Promise<MessageOf<K>[]> {
    return Promise.all(this.members.map((member) => this.one(member, kind, message)));
  }

  /** Opens one door of the first `count` shards on one port. Resolves with it. @throws Error in the listener's words. */
  async listen(door: DoorName, port: number, count: number): Promise<number> {
    const listeners = this.members.slice(0, count);
    const sharePort = listeners.length > 1;
    let bound = port;
    for (const member of listeners) {
      const failed = this.one(member, 'listen-failed');
      const listening = this.one(member, 'listening', { kind: 'listen', door, port: bound, sharePort });
      const outcome = await Promise.race([listening, failed]);
      if (outcome.kind === 'listen-failed') throw new ListenError('address-unavailable', outcome.message);
      bound = outcome.port;
    }
    return bound;
  }

  /** Sends steps to every shard. Resolves when all have applied them, with what failed. */
  async apply(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]> {
    const applied = await this.all('applied', { kind: 'apply', steps });
    return applied.flatMap(({ failures }) => failures);
  }

  /** Asks the owners of logs to seal them: all are, or none. */
  async seal(logIds: readonly number[], conditions: SealConditions): Promise<SealResult> {
    const owners = this.owners(logIds);
    const results = await Promise.all(owners.map(([member, owned]) => this.sealOf(member, owned, conditions)));
    const refusal = results.find((result) => !result.sealed);
    if (refusal !== undefined) {
      this.unseal(owners.flatMap(([, owned], index) => (results[index]!.sealed ? owned : [])));
      return refusal;
    }
    return { sealed: true, ready: results.reduce((sum, result) => sum + (result.sealed ? result.ready : 0), 0) };
  }

  /** Takes seals back. */
  unseal(logIds: readonly number[]): void {
    for (const [member, owned] of this.owners(logIds)) member.thread.postMessage({ kind: 'unseal', logIds: owned });
  }

  private sealOf(member: Member, logIds: readonly number[], conditions: SealConditions): Promise<SealResult> {
    const seal = this.nextSeal++;
    return new Promise((resolve) => {
      this.sealing.set(seal, resolve);
      member.thread.postMessage({ kind: 'seal', seal, logIds, conditions });
    });
  }

  /** The logs by the shard that owns them. */
  private owners(logIds: readonly number[]): [Member, number[]][] {
    const owned = new Map<Member, number[]>();
    for (const logId of logIds) {
      const member = this.members[logId % this.members.length]!;
      owned.set(member, [...(owned.get(member) ?? []), logId]);
    }
    return [...owned];
  }

  /** Every shard's figures. */
  async collect(): Promise<ShardReport[]> {
    const collection = this.nextCollection++;
    const reports = await this.all('report', { kind: 'collect', collection });
    return reports.map((message) => message.report);
  }

  /** What is open on every shard. Only one look may be under way. */
  async inspect(depth: InspectionDepth): Promise<ShardInspection[]> {
    const inspected = await this.all('inspected', { kind: 'inspect', depth });
    return inspected.map(({ inspection }) => inspection);
  }

  tell(message: ToShard): void {
    for (const member of this.members) member.thread.postMessage(message);
  }

  /** Drains and ends every shard in good order; those that have died are passed over. */
  async stop(reason: string): Promise<void> {
    this.isStopping = true;
    const living = this.members.filter((member) => !member.hasEnded);
    const step = (name: string, work: (member: Member) => Promise<unknown>): Promise<unknown> => {
      this.stopStep = name;
      return Promise.all(living.map((member) => this.watchStep(member, Promise.race([work(member), member.ended]))));
    };
    await step('to confirm what was published and close its doors', (one) =>
      this.one(one, 'drained', { kind: 'drain', reason }),
    );
    await step('to put everything on disk', (one) => this.one(one, 'stopped', { kind: 'stop' }));
    await step('to end its thread', (one) => one.ended);
  }

  /** While `stop` is under way: which shards it waits for, and for what. */
  get waitsFor(): string[] {
    return [...this.unfinished].sort((a, b) => a - b).map((shard) => `shard ${shard} ${this.stopStep}`);
  }

  private async watchStep(member: Member, work: Promise<unknown>): Promise<void> {
    this.unfinished.add(member.shard);
    await work;
    this.unfinished.delete(member.shard);
  }

  private one<K extends Kind>(member: Member, kind: K, message?: ToShard): Promise<MessageOf<K>> {
    return new Promise((resolve) => {
      const earlier = member.waiting.get(kind);
      // Several may wait for the same kind, a scrape and a status request for reports: one message serves them all.
      member.waiting.set(kind, (received) => {
        earlier?.(received);
        resolve(received as MessageOf<K>);
      });
      if (message !== undefined) member.thread.postMessage(message);
    });
  }

  private receive(member: Member, message: FromShard): void {
    if (message.kind === 'request') this.answer(member, message.request, message.body);
    else if (message.kind === 'sealed') {
      this.sealing.get(message.seal)?.(message.result);
      this.sealing.delete(message.seal);
    } else if (message.kind === 'log') this.events.log(message.level, message.message, message.fields);
    else {
      const waiting = member.waiting.get(message.kind);
      member.waiting.delete(message.kind);
      waiting?.(message);
    }
  }

  private answer(member: Member, request: number, body: ControlRequest): void {
    this.events.request(body).then(
      (result) => member.thread.postMessage({ kind: 'answer', request, result }),
      (error: unknown) => {
        member.thread.postMessage({ kind: 'answer', request, result: undefined, error: this.events.plain(error) });
      },
    );
  }

  private watch(member: Member): Promise<void> {
    return new Promise((resolve) => {
      let hasFailed = false;
      member.thread.onError((error) => {
        hasFailed = true;
        this.events.died(member.shard, error);
      });
      member.thread.onExit((code) => {
        member.hasEnded = true;
        resolve();
        // Its failure has told the reason already.
        if (!this.isStopping && !hasFailed)
          this.events.died(member.shard, new Error(`its thread ended with code ${code}`));
      });
    });
  }
}
