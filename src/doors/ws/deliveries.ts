/** Deliveries of queues as objects of their own, for frames that are encoded after the record's memory is gone. */
import { ByteReader } from '../../base/bytes.js';
import { copyOf } from '../../base/copy.js';
import type { RecordView } from '../../broker/ports.js';
import { RESERVED_HEADER_NAME } from '../../record/message.js';
import { routedOf } from './wire-properties.js';
import type { WireDelivery, WireMessage } from './wire-types.js';

/** A delivery that holds nothing borrowed. @throws DecodeError when the record's headers contradict themselves. */
export function wireDelivery(
  tag: number,
  partition: number,
  record: RecordView,
  redelivered: boolean,
  deliveryCount: number,
): WireDelivery {
  const routed = routedOf(record.headers);
  const message = copiedMessage(record, routed === undefined);
  const delivery = { tag, partition, offset: record.offset, redelivered, deliveryCount, message };
  return routed === undefined ? delivery : { ...delivery, routed };
}

function copiedMessage(record: RecordView, withHeaders: boolean): WireMessage {
  const message: WireMessage = {};
  if (record.key !== null) message.key = copyOf(record.key);
  if (record.value !== null) message.value = copyOf(record.value);
  if (record.timestampMs > 0) message.timestampMs = record.timestampMs;
  if (withHeaders && record.headers.length > 1) message.headers = copiedHeaders(record.headers);
  return message;
}

function copiedHeaders(encoded: Uint8Array): { name: string; value?: Uint8Array }[] {
  const reader = new ByteReader(encoded);
  const headers = [];
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.utf8(reader.varint());
    const valueBytes = reader.varint();
    const header = valueBytes < 0 ? { name } : { name, value: reader.copy(valueBytes) };
    if (name !== RESERVED_HEADER_NAME) headers.push(header);
  }
  return headers;
}
