/** The measurements of `duolog bench`: each takes a connected client and a log, and returns figures. */
import type { Client, DurabilityName, Follower } from '../client/index.js';
import { CliError } from './exit-codes.js';
import { Latencies } from './latencies.js';
import { firstOf, sleepUntil } from './waiting.js';

/** What is measured, and how. Sizes in bytes, times in milliseconds. */
export interface BenchPlan {
  readonly client: Client;
  /** The topic that is written and read; empty at the start, and with a queue's cursor for `push`. */
  readonly log: string;
  readonly sizeBytes: number;
  readonly durationMs: number;
  readonly durability: DurabilityName;
  /** Messages per second of the end-to-end run. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** Told about every piece of work done, in messages. */
  readonly progress: (done: number) => void;
}

/** Figures of one measurement. Times in milliseconds. */
export interface BenchResult {
  readonly test: string;
  readonly messages: number;
  readonly tookMs: number;
  /** CPU time of this process: the client's side. */
  readonly clientCpuMs: number;
  readonly latencies?: Latencies;
}

/** Messages in one call of sendMany: what a program that collects would do. */
const CHUNK_MESSAGES = 500;
/** Chunks without a confirm: enough that the node always has work. */
const CHUNKS_IN_FLIGHT = 20;
/** How long the last messages of an end-to-end run may take before they count as missing, in milliseconds. */
const LAST_MESSAGES_MS = 10_000;
/** Sent messages are looked at this often, in milliseconds: between two looks several may be due, and their schedule counts. */
const TICK_MS = 1;

/** Runs `work`, which returns its number of messages, under clocks for wall and CPU time. */
async function timed(test: string, work: () => Promise<number>, latencies?: Latencies): Promise<BenchResult> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const messages = await work();
  const { user, system } = process.cpuUsage(cpu);
  const result = { test, messages, tookMs: performance.now() - startedMs, clientCpuMs: (user + system) / 1000 };
  return latencies === undefined ? result : { ...result, latencies };
}

/** Publishes as fast as confirms come back, for the planned time. Latency is that of whole chunks under full load. */
export function measurePublish(plan: BenchPlan): Promise<BenchResult> {
  const { client, log, durability, sizeBytes, durationMs, signal, progress } = plan;
  const chunk = Array.from({ length: CHUNK_MESSAGES }, () => new Uint8Array(sizeBytes).fill(120));
  const latencies = new Latencies();
  return timed(
    'publish',
    async () => {
      const producer = client.producer({ to: log, durability });
      const endMs = performance.now() + durationMs;
      let confirmed = 0;
      const sendOnAndOn = async (): Promise<void> => {
        while (performance.now() < endMs && !signal.aborted) {
          const sentMs = performance.now();
          await producer.sendMany(chunk);
          latencies.add(performance.now() - sentMs);
          confirmed += chunk.length;
          progress(confirmed);
        }
      };
      await Promise.all(Array.from({ length: CHUNKS_IN_FLIGHT }, sendOnAndOn));
      await producer.close();
      return confirmed;
    },
    latencies,
  );
}

/** Reads `count` messages by offset. */
export function measurePull({ client, log, signal, progress }: BenchPlan, count: number): Promise<BenchResult> {
  return timed('pull', async () => {
    const reader = client.reader(log, { signal });
    let read = 0;
    for await (const { records } of reader.batches()) {
      read += records.length;
      progress(read);
      if (read >= count) break;
    }
    reader.close();
    return read;
  });
}

/** Takes `count` messages as a queue's consumer, each acknowledged. */
export function measurePush({ client, log, signal, progress }: BenchPlan, count: number): Promise<BenchResult> {
  return timed('push with ack', async () => {
    const subscription = await client.subscribe(log, { prefetch: 5000, signal });
    let taken = 0;
    for await (const delivery of subscription) {
      let next: typeof delivery | undefined = delivery;
      for (; next !== undefined; next = taken < count ? subscription.take() : undefined) {
        next.ack();
        taken += 1;
      }
      progress(taken);
      if (taken >= count) break;
    }
    await subscription.close();
    return taken;
  });
}

/**
 * Publishes at a fixed rate and consumes at once. A message's clock starts when the schedule says that it is due, not when it could be sent: a stall counts
 * against every message that it held up (no coordinated omission).
 */
export function measureEndToEnd(plan: BenchPlan): Promise<BenchResult> {
  const { client, log, durationMs, rate, signal } = plan;
  const latencies = new Latencies();
  const count = Math.max(1, Math.round((rate * durationMs) / 1000));
  return timed(
    `end to end at ${rate}/s`,
    async () => {
      const follower = await client.follow(log, { from: 'beginning' });
      const consumed = consumeStamps(follower, count, latencies);
      await sendOnSchedule(plan, count);
      const outcome = await firstOf(consumed, LAST_MESSAGES_MS, signal);
      await follower.close();
      if (outcome !== 'idle') return latencies.count;
      const missing = count - latencies.count;
      throw new CliError('timeout', `Cannot finish the end-to-end test: ${missing} messages did not arrive`);
    },
    latencies,
  );
}

async function sendOnSchedule(
  { client, log, durability, sizeBytes, rate, signal, progress }: BenchPlan,
  count: number,
): Promise<void> {
  const producer = client.producer({ to: log, durability });
  const value = new Uint8Array(Math.max(8, sizeBytes)).fill(120);
  const stamp = new DataView(value.buffer);
  const startedMs = performance.now();
  for (let sent = 0; sent < count && !signal.aborted; ) {
    const due = Math.min(count, Math.floor(((performance.now() - startedMs) * rate) / 1000) + 1);
    for (; sent < due; sent += 1) {
      stamp.setFloat64(0, startedMs + (sent * 1000) / rate);
      if (!producer.enqueue(value)) await producer.ready();
    }
    progress(sent);
    await sleepUntil(performance.now() + TICK_MS, signal);
  }
  await producer.close();
}

async function consumeStamps(follower: Follower, count: number, latencies: Latencies): Promise<void> {
  for await (const { value } of follower) {
    if (value !== null) latencies.add(performance.now() - new DataView(value.buffer, value.byteOffset).getFloat64(0));
    if (latencies.count >= count) return;
  }
}
