/**
 * A value in an argument table, as sequences write it and as transcripts show it: plain strings are `S`, plain numbers `I`, and everything else
 * says its type tag (`{ tag: 'l', value: '5' }`). It is written apart from the project's own codec, so that a mistake there cannot hide itself.
 */
export type Value = string | number | boolean | null | readonly Value[] | Tagged | Table;
/** A value with a type tag of AMQP 0-9-1 as RabbitMQ reads them: b B s u I i f d l T D x. */
export interface Tagged {
  readonly tag: string;
  readonly value: string;
}
/** An argument table. */
export interface Table {
  readonly [name: string]: Value;
}

function isTagged(value: Value): value is Tagged {
  return typeof value === 'object' && value !== null && 'tag' in value && 'value' in value;
}

/** Appends AMQP fields to a growing list of pieces. */
export class FieldWriter {
  private readonly pieces: Buffer[] = [];

  /** An unsigned number of 1, 2, 4 or 8 bytes. */
  number(bytes: number, value: number | bigint): void {
    const piece = Buffer.alloc(bytes);
    if (bytes === 8) piece.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
    else piece.writeUIntBE(Number(value), 0, bytes);
    this.pieces.push(piece);
  }

  /** A string of at most 255 bytes. */
  short(text: string): void {
    const bytes = Buffer.from(text);
    this.number(1, bytes.length);
    this.pieces.push(bytes);
  }

  /** A string with a length of four bytes. */
  long(text: string | Buffer): void {
    const bytes = Buffer.from(text);
    this.number(4, bytes.length);
    this.pieces.push(bytes);
  }

  /** A table with its length. */
  table(table: Table): void {
    const inner = new FieldWriter();
    for (const [name, value] of Object.entries(table)) {
      inner.short(name);
      inner.value(value);
    }
    this.long(inner.bytes());
  }

  /** What was written. */
  bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  private tag(tag: string): void {
    this.pieces.push(Buffer.from(tag, 'latin1'));
  }

  private value(value: Value): void {
    if (typeof value === 'string') {
      this.tag('S');
      this.long(value);
    } else if (typeof value === 'number') {
      this.tag('I');
      const piece = Buffer.alloc(4);
      piece.writeInt32BE(value);
      this.pieces.push(piece);
    } else if (typeof value === 'boolean') {
      this.tag('t');
      this.number(1, value ? 1 : 0);
    } else if (value === null) this.tag('V');
    else if (Array.isArray(value)) {
      this.tag('A');
      const inner = new FieldWriter();
      for (const item of value as readonly Value[]) inner.value(item);
      this.long(inner.bytes());
    } else if (isTagged(value)) this.tagged(value);
    else {
      this.tag('F');
      this.table(value as Table);
    }
  }

  private tagged({ tag, value }: Tagged): void {
    this.tag(tag);
    const piece = Buffer.alloc(8);
    switch (tag) {
      case 'b':
      case 'B':
        this.number(1, Number(value) & 0xff);
        return;
      case 's':
      case 'u':
        this.number(2, Number(value) & 0xffff);
        return;
      case 'i':
        this.number(4, Number(value));
        return;
      case 'l':
      case 'T':
        this.number(8, BigInt(value));
        return;
      case 'f':
        piece.writeFloatBE(Number(value));
        this.pieces.push(piece.subarray(0, 4));
        return;
      case 'd':
        piece.writeDoubleBE(Number(value));
        this.pieces.push(piece);
        return;
      case 'D':
        this.number(1, Number(value.split('e-')[1] ?? 0));
        this.number(4, Number(value.split('e-')[0]));
        return;
      case 'x':
        this.long(value);
        return;
      default:
        throw new Error(`No such type tag: ${tag}`);
    }
  }
}

/** Reads AMQP fields; every read past the end throws. */
export class FieldReader {
  private offset = 0;
  private readonly source: Buffer;

  constructor(source: Buffer) {
    this.source = source;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.source.length - this.offset;
  }

  /** An unsigned number of up to 6 bytes. */
  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  /** An unsigned number of 8 bytes. */
  big(): bigint {
    return this.take(8).readBigUInt64BE();
  }

  /** A string of at most 255 bytes. */
  short(): string {
    return this.take(this.number(1)).toString();
  }

  /** The bytes of a long string. */
  long(): Buffer {
    return this.take(this.number(4));
  }

  /** A table; a name that comes twice keeps both values. */
  table(): Table {
    const inner = new FieldReader(this.long());
    const entries: [string, Value][] = [];
    const seen = new Set<string>();
    while (inner.left > 0) {
      let name = inner.short();
      while (seen.has(name)) name += ' again';
      seen.add(name);
      entries.push([name, inner.value()]);
    }
    entries.sort(([left], [right]) => (left < right ? -1 : 1));
    return Object.fromEntries(entries);
  }

  /** The next bytes as they are. */
  take(bytes: number): Buffer {
    if (bytes > this.left) throw new Error(`A field of ${bytes} bytes where ${this.left} are left`);
    this.offset += bytes;
    return this.source.subarray(this.offset - bytes, this.offset);
  }

  private value(): Value {
    const tag = this.take(1).toString('latin1');
    switch (tag) {
      case 'S':
        return this.long().toString();
      case 'I':
        return this.take(4).readInt32BE();
      case 't':
        return this.number(1) !== 0;
      case 'V':
        return null;
      case 'F':
        return this.table();
      case 'A': {
        const inner = new FieldReader(this.long());
        const items: Value[] = [];
        while (inner.left > 0) items.push(inner.value());
        return items;
      }
      default:
        return { tag, value: this.taggedText(tag) };
    }
  }

  private taggedText(tag: string): string {
    switch (tag) {
      case 'b':
        return String(this.take(1).readInt8());
      case 'B':
        return String(this.number(1));
      case 's':
        return String(this.take(2).readInt16BE());
      case 'u':
        return String(this.number(2));
      case 'i':
        return String(this.number(4));
      case 'l':
        return String(this.take(8).readBigInt64BE());
      case 'T':
        return String(this.big());
      case 'f':
        return String(this.take(4).readFloatBE());
      case 'd':
        return String(this.take(8).readDoubleBE());
      case 'D': {
        const scale = this.number(1);
        return `${this.number(4)}e-${scale}`;
      }
      case 'x':
        return this.long().toString('latin1');
      default:
        throw new Error(`The broker sent a value of type ${JSON.stringify(tag)}`);
    }
  }
}
