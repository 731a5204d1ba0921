// The frames that come by the thousand, read where they lie: proto/client.proto has their fields. Nothing is allocated.

const NUMBERS = 0;
const FIXED_64 = 1;
const LENGTHS = 2;

/** Walks over the fields of one protobuf message in borrowed bytes. */
export class FieldCursor {
  field = 0;
  /** A number field's value, else 0. Below 2^53. */
  value = 0;
  /** Where the content of a length-delimited field lies. */
  from = 0;
  to = 0;
  #bytes;
  #at = 0;
  #end = 0;

  open(bytes, from, to) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    return this;
  }

  #varint() {
    let result = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      result += (byte & 127) * scale;
      if (byte < 128) return result;
      scale *= 128;
    }
  }

  /** Moves to the next field; false at the end. */
  next() {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = tag >>> 3;
    this.value = 0;
    const type = tag & 7;
    if (type === NUMBERS) this.value = this.#varint();
    else if (type === LENGTHS) {
      const length = this.#varint();
      this.from = this.#at;
      this.to = this.#at += length;
    } else this.#at += type === FIXED_64 ? 8 : 4;
    return true;
  }
}

/** Field numbers of the kinds of Frame. */
export const KIND = {
  confirms: 41,
  deliver: 43,
  broadcast: 44,
  missed: 45,
  subscriptionClosed: 46,
  fetched: 48,
  error: 55,
  goAway: 56,
};

const confirmsCursor = new FieldCursor();
const confirmCursor = new FieldCursor();

/** Calls `onConfirm(id)` for every confirm of a Confirms message. */
export function readConfirms(bytes, from, to, onConfirm) {
  confirmsCursor.open(bytes, from, to);
  while (confirmsCursor.next()) {
    confirmCursor.open(bytes, confirmsCursor.from, confirmsCursor.to);
    let id = 0;
    while (confirmCursor.next()) if (confirmCursor.field === 1) id = confirmCursor.value;
    onConfirm(id);
  }
}

const deliverCursor = new FieldCursor();
const deliveryCursor = new FieldCursor();
const messageCursor = new FieldCursor();

/** The delivery that `readDeliver` is at. `valueFrom`: where the message's value lies. */
export const delivery = { tag: 0, offset: 0, redelivered: false, valueFrom: 0, valueTo: 0 };

function readDelivery(bytes, from, to) {
  delivery.tag = 0;
  delivery.offset = 0;
  delivery.redelivered = false;
  deliveryCursor.open(bytes, from, to);
  while (deliveryCursor.next()) {
    const { field } = deliveryCursor;
    if (field === 1) delivery.tag = deliveryCursor.value;
    else if (field === 3) delivery.offset = deliveryCursor.value;
    else if (field === 4) delivery.redelivered = deliveryCursor.value !== 0;
    else if (field === 6) readMessage(bytes, deliveryCursor.from, deliveryCursor.to);
  }
}

function readMessage(bytes, from, to) {
  messageCursor.open(bytes, from, to);
  while (messageCursor.next()) {
    if (messageCursor.field !== 2) continue;
    delivery.valueFrom = messageCursor.from;
    delivery.valueTo = messageCursor.to;
  }
}

/** Calls `onDelivery(bytes)` for every delivery of a queue's Deliver message, with `delivery` filled in. Returns how many there were. */
export function readDeliver(bytes, from, to, onDelivery) {
  let count = 0;
  deliverCursor.open(bytes, from, to);
  while (deliverCursor.next()) {
    if (deliverCursor.field !== 2) continue;
    readDelivery(bytes, deliverCursor.from, deliverCursor.to);
    onDelivery(bytes);
    count++;
  }
  return count;
}

const partitionCursor = new FieldCursor();
const recordsCursor = new FieldCursor();
const BATCH_LENGTH_AT = 8;
const BATCH_COUNT_AT = 57;
const BATCH_RECORDS_AT = 61;

/** What `readPartitionRecords` found: records, bytes of batches, where reading goes on, and the value of the last batch's first record. */
export const records = { partition: 0, count: 0, bytes: 0, nextOffset: 0, valueFrom: 0 };

/** Reads a PartitionRecords message that holds record batches; only their headers are looked at. */
export function readPartitionRecords(bytes, from, to) {
  records.partition = 0;
  records.count = 0;
  records.bytes = 0;
  records.nextOffset = 0;
  recordsCursor.open(bytes, from, to);
  while (recordsCursor.next()) {
    const { field } = recordsCursor;
    if (field === 1) records.partition = recordsCursor.value;
    else if (field === 2) records.nextOffset = recordsCursor.value;
    else if (field === 3) readBatches(bytes, recordsCursor.from, recordsCursor.to);
  }
}

function readBatches(bytes, from, to) {
  records.bytes += to - from;
  for (let at = from; at < to; at += 12 + bytes.readInt32BE(at + BATCH_LENGTH_AT)) {
    records.count += bytes.readInt32BE(at + BATCH_COUNT_AT);
    records.valueFrom = firstValueAt(bytes, at + BATCH_RECORDS_AT);
  }
}

/** Where the value of the record at `at` begins: behind length, attributes, two deltas, and a null or short key. */
function firstValueAt(bytes, at) {
  const skip = (from) => {
    let position = from;
    while (bytes[position] >= 128) position++;
    return position + 1;
  };
  const keyAt = skip(skip(skip(at) + 1));
  const keyLength = bytes[keyAt] === 1 ? 0 : bytes[keyAt] >> 1;
  return skip(keyAt + 1 + keyLength);
}

/** Calls `onRecords()` for every partition of a Fetched message, with `records` filled in. Throws when one carries an error. */
export function readFetched(bytes, from, to, onRecords) {
  const frameCursor = fetchedCursor.open(bytes, from, to);
  while (frameCursor.next()) {
    partitionCursor.open(bytes, frameCursor.from, frameCursor.to);
    while (partitionCursor.next()) {
      if (partitionCursor.field === 4)
        throw new Error(`Fetch: ${bytes.toString('utf8', partitionCursor.from, partitionCursor.to)}`);
      if (partitionCursor.field !== 1) continue;
      readPartitionRecords(bytes, partitionCursor.from, partitionCursor.to);
      onRecords();
    }
  }
}
const fetchedCursor = new FieldCursor();

/** Calls `onRecords()` for every partition of a Broadcast or of a topic's Deliver message. */
export function readStream(bytes, from, to, recordsField, onRecords) {
  fetchedCursor.open(bytes, from, to);
  while (fetchedCursor.next()) {
    if (fetchedCursor.field !== recordsField) continue;
    readPartitionRecords(bytes, fetchedCursor.from, fetchedCursor.to);
    onRecords();
  }
}
