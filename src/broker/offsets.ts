/**
 * Named offsets of one log: how far each group of pull consumers has committed. No I/O: changes go to the owner's journal like the cursor's.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import { utf8Size } from '../base/utf8.js';
import { BrokerError } from './errors.js';
import {
  GROUP_NAME_BYTES_MAX,
  GROUPS_PER_LOG_MAX,
  OFFSET_METADATA_BYTES_MAX,
  OFFSETS_CHANGE_BYTES,
} from './metadata-limits.js';

const VERSION = 1;
const FORGET = 0;
const COMMIT = 1;
/** What is written is copied before anybody else writes, so that thousands of logs need no buffer each. */
const sharedWriter = new ByteWriter(256);

/** Never written to. */
const NO_GROUPS = new Map<string, NamedOffset>();
const NONE_CHANGED = new Set<string>();

/** What a group committed for one log. */
export interface NamedOffset {
  /** Where reading goes on. */
  readonly offset: number;
  readonly metadata: string;
  /** When, in milliseconds since 1970. */
  readonly committedMs: number;
}

/** See the top of this file. */
export class NamedOffsets {
  /** Made with the first group, as the other: most of many thousand logs have none. */
  private groups = NO_GROUPS;
  /** Groups that changed since the last change was taken. */
  private changed = NONE_CHANGED;
  private readonly writer = sharedWriter;

  /** Number of groups. */
  get size(): number {
    return this.groups.size;
  }

  /** What a group committed, or undefined. */
  fetch(group: string): NamedOffset | undefined {
    return this.groups.get(group);
  }

  /** The groups and what they committed. */
  entries(): IterableIterator<[string, NamedOffset]> {
    return this.groups.entries();
  }

  /** Stores what a group commits. @throws BrokerError `invalid-request`, `too-large` or `limit-exceeded`; nothing is stored then. */
  commit(group: string, named: NamedOffset): void {
    checkGroup(group);
    checkNamedOffset(group, named);
    if (!this.groups.has(group) && this.groups.size >= GROUPS_PER_LOG_MAX) {
      throw new BrokerError(
        'limit-exceeded',
        `Cannot commit an offset for group "${group}": ${GROUPS_PER_LOG_MAX} groups have committed offsets to this log`,
      );
    }
    const { offset, metadata, committedMs } = named;
    this.begin();
    this.groups.set(group, { offset, metadata, committedMs });
    this.changed.add(group);
  }

  private begin(): void {
    if (this.groups !== NO_GROUPS) return;
    this.groups = new Map();
    this.changed = new Set();
  }

  /** Forgets a group; false when it had committed nothing. */
  forget(group: string): boolean {
    if (!this.groups.delete(group)) return false;
    this.changed.add(group);
    return true;
  }

  /** Forgets the groups whose last commit is older than `beforeMs`. Returns how many. */
  expire(beforeMs: number): number {
    let forgotten = 0;
    for (const [group, { committedMs }] of this.groups) if (committedMs < beforeMs && this.forget(group)) forgotten++;
    return forgotten;
  }

  /** The next change for the journal, of bounded size, or undefined; to be called until it is undefined. The bytes are the caller's. */
  takeChange(): Uint8Array | undefined {
    if (this.changed.size === 0) return undefined;
    const { writer } = this;
    writer.reset().u8(VERSION);
    const countAt = writer.skip(4);
    let count = 0;
    for (const group of this.changed) {
      this.write(group, this.groups.get(group));
      this.changed.delete(group);
      count++;
      if (writer.at >= OFFSETS_CHANGE_BYTES) break;
    }
    writer.patchU32(countAt, count);
    return writer.copy();
  }

  /** The whole state, for a checkpoint. */
  snapshot(): Uint8Array {
    const { writer } = this;
    writer.reset().u8(VERSION);
    writer.u32(this.groups.size);
    for (const [group, named] of this.groups) this.write(group, named);
    return writer.copy();
  }

  /** Replaces the state by a snapshot's; undefined = by nothing. @throws DecodeError */
  restore(snapshot: Uint8Array | undefined): void {
    this.groups.clear();
    this.changed.clear();
    if (snapshot !== undefined) this.apply(snapshot);
  }

  /** Replays a journaled change; a snapshot is the change that names every group. @throws DecodeError */
  apply(change: Uint8Array): void {
    const reader = new ByteReader(change);
    const version = reader.u8();
    if (version !== VERSION) {
      throw new DecodeError('invalid', `Cannot read named offsets of version ${version}: version ${VERSION} is known`);
    }
    const count = reader.u32();
    for (let index = 0; index < count; index++) this.read(reader);
    if (reader.remaining > 0) throw new DecodeError('invalid', `Named offsets have ${reader.remaining} bytes too many`);
  }

  /** Ends a recovery: nobody can have read beyond the log's end, and what was lost there is not coming back under those offsets. */
  recovered(logEnd: number): void {
    for (const [group, named] of this.groups) {
      if (named.offset <= logEnd) continue;
      this.groups.set(group, { ...named, offset: logEnd });
      this.changed.add(group);
    }
  }

  private write(group: string, named: NamedOffset | undefined): void {
    const { writer } = this;
    writeText(writer, group);
    writer.u8(named === undefined ? FORGET : COMMIT);
    if (named === undefined) return;
    writer.uvarint(named.offset);
    writer.uvarint(named.committedMs);
    writeText(writer, named.metadata);
  }

  private read(reader: ByteReader): void {
    const group = readText(reader, GROUP_NAME_BYTES_MAX);
    if (reader.u8() === FORGET) {
      this.groups.delete(group);
      return;
    }
    const offset = reader.uvarlong();
    const committedMs = reader.uvarlong();
    this.begin();
    this.groups.set(group, { offset, committedMs, metadata: readText(reader, OFFSET_METADATA_BYTES_MAX) });
  }
}

function writeText(writer: ByteWriter, text: string): void {
  writer.uvarint(utf8Size(text));
  writer.utf8(text);
}

function readText(reader: ByteReader, maxBytes: number): string {
  const length = reader.uvarint();
  if (length > maxBytes) {
    throw new DecodeError('invalid', `Named offsets hold a text of ${length} bytes: the limit is ${maxBytes}`);
  }
  return reader.utf8Strict(length);
}

/** @throws BrokerError `invalid-request` or `too-large` unless `group` may name a group. */
export function checkGroup(group: string): void {
  if (group === '') throw new BrokerError('invalid-request', 'Cannot commit an offset: the group name is empty');
  const bytes = utf8Size(group);
  if (bytes > GROUP_NAME_BYTES_MAX) {
    throw new BrokerError(
      'too-large',
      `Cannot commit an offset for group "${group.slice(0, 32)}...": its name has ${bytes} bytes, the limit is ${GROUP_NAME_BYTES_MAX}`,
    );
  }
}

function checkNamedOffset(group: string, { offset, metadata, committedMs }: NamedOffset): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new BrokerError('invalid-request', `Cannot commit an offset for group "${group}": the offset is ${offset}`);
  }
  if (!Number.isSafeInteger(committedMs) || committedMs < 0) {
    throw new BrokerError(
      'invalid-request',
      `Cannot commit an offset for group "${group}": the time is ${committedMs}`,
    );
  }
  const bytes = utf8Size(metadata);
  if (bytes > OFFSET_METADATA_BYTES_MAX) {
    throw new BrokerError(
      'too-large',
      `Cannot commit an offset for group "${group}": its metadata has ${bytes} bytes, the limit is ${OFFSET_METADATA_BYTES_MAX}`,
    );
  }
}
