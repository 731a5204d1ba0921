import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ByteWriter } from '../base/bytes.js';
import { installCodecs } from '../io/codecs/install.js';
import { BatchBuilder, type BatchOptions } from './batch-builder.js';
import * as header from './batch-header.js';
import { CODEC_NAMES, CODEC_NONE, setCodec } from './codec.js';
import { RecordCursor, readRecords } from './record-reader.js';
import type { LogRecord } from './records.js';
import { BatchRewriter } from './rewrite.js';
import { verifyBatch, verifyProducedBatch } from './verify.js';

/** Offset, timestamp, key, value and headers, bytes in hex. */
type FixtureRecord = [number, number, string | null, string | null, [string, string | null][]];

/** What Kafka's own reader said about a batch that Kafka's own writer made. */
interface JavaFixture {
  name: string;
  baseOffset: number;
  lastOffset: number;
  leaderEpoch: number;
  maxTimestamp: number;
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  lastSequence: number;
  transactional: boolean;
  control: boolean;
  deleteHorizonMs: number;
  crc: number;
  codec: string;
  hex: string;
  records: FixtureRecord[];
}

const javaFixtures = load<JavaFixture>('kafka-java-4.3.1.jsonl');
const otherFixtures = load<{ name: string; codec: string; hex: string }>('other-clients.jsonl');

beforeAll(async () => {
  installCodecs(setCodec, (reason) => {
    throw reason;
  });
});

describe('batches written by the Java client 4.3.1', () => {
  it.each(javaFixtures)('$name: every field reads as Kafka reads it', (fixture) => {
    // Somewhere in a larger chunk, where batches usually are.
    const { bytes, at, end } = embed(fixture.hex);
    expect(verifyBatch(bytes, at, end - at)).toBe('ok');
    expect(at + header.batchLength(bytes, at)).toBe(end);
    expect({
      baseOffset: header.batchBaseOffset(bytes, at),
      lastOffset: header.batchLastOffset(bytes, at),
      leaderEpoch: header.batchLeaderEpoch(bytes, at),
      maxTimestamp: header.batchMaxTimestamp(bytes, at),
      producerId: header.batchProducerId(bytes, at),
      producerEpoch: header.batchProducerEpoch(bytes, at),
      baseSequence: header.batchBaseSequence(bytes, at),
      lastSequence: header.batchLastSequence(bytes, at),
      transactional: header.batchIsTransactional(bytes, at),
      control: header.batchIsControl(bytes, at),
      deleteHorizonMs: header.batchDeleteHorizonMs(bytes, at),
      crc: header.batchCrc(bytes, at),
      codec: CODEC_NAMES[header.batchCodec(bytes, at)],
      records: readRecords(bytes, at).map(toFixture),
    }).toEqual(without(fixture, 'name', 'hex'));
  });

  const rebuildable = javaFixtures.filter(({ codec, records, name, lastOffset, baseOffset }) => {
    return codec === 'none' && records.length === lastOffset - baseOffset + 1 && name !== 'append time';
  });
  it.each(rebuildable)('$name: building the same records gives the same bytes', (fixture) => {
    const { bytes, at } = embed(fixture.hex);
    const options: BatchOptions = { ...fixture, codec: CODEC_NONE };
    const builder = new BatchBuilder(1 << 20, 1).start(options);
    for (const { key, value, timestamp, headers } of readRecords(bytes, at))
      builder.append(key, value, timestamp, headers);
    expect(Buffer.from(builder.finish()).toString('hex')).toBe(fixture.hex);
  });

  it('with append time read the time of append for every record', () => {
    const { bytes, at } = embed(byName('mixed').hex);
    header.patchAppendTime(bytes, at, 1234);
    expect(verifyBatch(bytes, at, bytes.length - at)).toBe('ok');
    expect(readRecords(bytes, at).map(({ timestamp }) => timestamp)).toEqual([1234, 1234, 1234, 1234, 1234]);
  });

  it('compact to the very bytes that Kafka writes', () => {
    const { bytes, at } = embed(byName('mixed idempotent').hex);
    const rewriter = new BatchRewriter(new ByteWriter());
    const out = new ByteWriter();
    expect(rewriter.rewrite(bytes, at, (offset) => offset === 1000 || offset === 1003, out)).toBe(out.at);
    expect(Buffer.from(out.view()).toString('hex')).toBe(byName('kept 1000 1003').hex);

    const { deleteHorizonMs } = byName('kept 1002 1004');
    rewriter.rewrite(bytes, at, (offset) => offset % 2 === 0 && offset > 1000, out.reset(), { deleteHorizonMs });
    expect(Buffer.from(out.view()).toString('hex')).toBe(byName('kept 1002 1004').hex);
  });

  it('keep their place and their producer when nothing else is kept', () => {
    const { bytes, at } = embed(byName('mixed idempotent').hex);
    const out = new ByteWriter();
    const rewriter = new BatchRewriter(new ByteWriter());
    expect(rewriter.rewrite(bytes, at, () => false, out)).toBe(0);
    expect(out.at).toBe(0);
    expect(rewriter.rewrite(bytes, at, () => false, out, { keepEmpty: true })).toBe(61);
    // Kafka puts the largest timestamp into the base timestamp as well, which nothing reads; all else is the same.
    const kafka = embed(byName('kept none').hex);
    for (const read of [
      header.batchLastOffset,
      header.batchLastSequence,
      header.batchMaxTimestamp,
      header.batchAttributes,
    ]) {
      expect(read(out.view(), 0)).toBe(read(kafka.bytes, kafka.at));
    }
    expect(verifyBatch(out.view(), 0, out.at)).toBe('ok');
    expect(readRecords(out.view(), 0)).toEqual([]);
  });
});

describe('batches written by kafka-python 3.0 and kafkajs 2.2', () => {
  it.each(otherFixtures)('$name', ({ hex, codec }) => {
    const { bytes, at, end } = embed(hex);
    expect(verifyProducedBatch(bytes, at, end - at)).toBe('ok');
    expect(CODEC_NAMES[header.batchCodec(bytes, at)]).toBe(codec);
    const cursor = new RecordCursor().open(bytes, at);
    for (let index = 0; index < 25; index++) {
      expect(cursor.next()).toBe(true);
      expect(toFixture(cursor.toRecord())).toEqual([
        index,
        1700000000000 + index * 3,
        index % 5 === 0 ? null : Buffer.from(`k${index}`).toString('hex'),
        Buffer.from(`{"reading": "the quick brown fox", "n": ${index}}`).toString('hex'),
        index % 4 === 0 ? [['trace', '616263']] : [],
      ]);
    }
    expect(cursor.next()).toBe(false);
  });
});

function load<T>(name: string): T[] {
  const text = readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line));
}

function byName(name: string): JavaFixture {
  const found = javaFixtures.find((fixture) => fixture.name === name);
  if (found === undefined) throw new Error(`No fixture is named ${name}`);
  return found;
}

function embed(hex: string): { bytes: Uint8Array; at: number; end: number } {
  const batch = Buffer.from(hex, 'hex');
  const bytes = new Uint8Array(batch.length + 30).fill(0xa5);
  bytes.set(batch, 13);
  return { bytes, at: 13, end: 13 + batch.length };
}

function without<T extends object>(object: T, ...names: (keyof T)[]): Partial<T> {
  const copy: Partial<T> = { ...object };
  for (const name of names) delete copy[name];
  return copy;
}

function toFixture(record: LogRecord): FixtureRecord {
  const headers = record.headers.map(([name, value]): [string, string | null] => [name, toHex(value)]);
  return [record.offset, record.timestamp, toHex(record.key), toHex(record.value), headers];
}

function toHex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex');
}
