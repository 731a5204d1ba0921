import { ByteWriter } from '../base/byte-writer.js';
import type { BrokerError } from './errors.js';
import type { PollSink } from './partition-consumers.js';
import type { PeerLink } from './peer-link.js';
import type { StoredRecord } from './push-reader.js';
import { Op, writeDelivery, writeError } from './shard-messages.js';

/** The owner's way to a consumer, or to who asks for single messages, whose session lives on another shard. */
export class RemoteConsumer implements PollSink {
  private readonly link: PeerLink;
  private readonly consumer: number;
  private readonly partition: number;
  private readonly head = new ByteWriter(64);

  constructor(link: PeerLink, consumer: number, partition: number) {
    this.link = link;
    this.consumer = consumer;
    this.partition = partition;
  }

  get writable(): boolean {
    return this.link.writable;
  }

  get maxRecordBytes(): number {
    return this.link.maxBodyBytes;
  }

  deliver(record: StoredRecord, redelivered: boolean, deliveryCount: number): void {
    writeDelivery(this.head.reset(), this.consumer, this.partition, record, redelivered, deliveryCount);
    this.link.request(this.head.view(), record.stored, 0, undefined);
  }

  /** The rings are flushed at the end of the turn, and the receiver sends after each drain: nothing to do here. */
  flush(): void {}

  /** In order with the deliveries, unlike a reply. */
  got(left: number, error?: BrokerError): void {
    const writer = this.head.reset();
    writer.u8(Op.got);
    writer.u32(this.consumer);
    writer.i32(left);
    if (error !== undefined) writeError(writer, error);
    this.link.request(writer.view(), undefined, 0, undefined);
  }

  activeChanged(active: boolean): void {
    const writer = this.head.reset();
    writer.u8(Op.consumerActive);
    writer.u32(this.consumer);
    writer.u8(active ? 1 : 0);
    this.link.request(writer.view(), undefined, 0, undefined);
  }

  closed(error: BrokerError): void {
    const writer = this.head.reset();
    writer.u8(Op.consumerClosed);
    writer.u32(this.consumer);
    writeError(writer, error);
    this.link.request(writer.view(), undefined, 0, undefined);
  }
}
