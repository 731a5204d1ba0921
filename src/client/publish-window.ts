import type { ClientError } from './errors.js';

/** A publish on its way: one frame, which its confirm names by id. */
export interface InFlightPublish {
  /** The frame's id, unique in the client's life. */
  readonly id: number;
  /** The whole frame; it stays as it is while the publish is in flight. */
  readonly frame: Uint8Array;
  /** The node has stored it. Byte ranges of a batch are one: it lies in one partition. */
  confirmed(baseOffset: number, reached: number, duplicate: boolean, isUnroutable: boolean): void;
  /** The node has refused it. */
  refused(error: ClientError): void;
}

/** Somebody who would publish if there were room. */
export interface Publisher {
  /** There is room now. */
  pump(): void;
}

/** The publishes of all producers of a client that wait for a confirm, within what the node allows. */
export class PublishWindow {
  private readonly send: (bytes: Uint8Array) => void;
  private readonly publishes = new Map<number, InFlightPublish>();
  private readonly starved = new Set<Publisher>();
  private bytes = 0;
  private maxCount = 0;
  private maxBytes = 0;

  constructor(send: (bytes: Uint8Array) => void) {
    this.send = send;
  }

  /** Whether a frame of this size may be sent now. One publish may always be in flight while there is a connection. */
  hasRoomFor(frameBytes: number): boolean {
    const count = this.publishes.size;
    if (count === 0) return this.maxCount > 0;
    return count < this.maxCount && this.bytes + frameBytes <= this.maxBytes;
  }

  /** Remembers who found no room, until there is some. */
  starve(publisher: Publisher): void {
    this.starved.add(publisher);
  }

  /** Sends a publish. The caller has asked for room. */
  open(publish: InFlightPublish): void {
    this.publishes.set(publish.id, publish);
    this.bytes += publish.frame.length;
    this.send(publish.frame);
  }

  /** Takes the outcome of publish `id`. Returns false when it is not in flight. */
  confirm(id: number, baseOffset: number, reached: number, duplicate: boolean, isUnroutable = false): boolean {
    const publish = this.take(id);
    publish?.confirmed(baseOffset, reached, duplicate, isUnroutable);
    return publish !== undefined;
  }

  /** Takes the failure of publish `id`. Returns false when it is not in flight. */
  refuse(id: number, error: ClientError): boolean {
    const publish = this.take(id);
    publish?.refused(error);
    return publish !== undefined;
  }

  /** Gives a publish up: its outcome finds nobody. */
  forget(id: number): void {
    this.take(id);
  }

  private take(id: number): InFlightPublish | undefined {
    const publish = this.publishes.get(id);
    if (publish === undefined) return undefined;
    this.publishes.delete(id);
    this.bytes -= publish.frame.length;
    return publish;
  }

  /** Lets those go on who found no room: call it once a frame's confirms have been taken. */
  feed(): void {
    if (this.starved.size === 0) return;
    const hungry = [...this.starved];
    this.starved.clear();
    // Whoever still finds no room starves anew, behind those that have been asked before.
    for (const publisher of hungry) publisher.pump();
  }

  /** There is a connection, with these limits. */
  opened(maxCount: number, maxBytes: number): void {
    this.maxCount = maxCount;
    this.maxBytes = maxBytes;
  }

  /** The connection is gone. Whoever published knows and keeps its publishes. */
  lost(): void {
    this.publishes.clear();
    this.bytes = 0;
    this.maxCount = 0;
    this.maxBytes = 0;
  }
}
