/** How a cursor is told to deliver in another order than that of the offsets. */
export interface DeliveryOrder {
  /** The waiting offset below `visibleEnd` that is to be delivered next, or -1; it stays until it is taken. */
  next(visibleEnd: number): number;
  /** A waiting offset was handed out, next or not. */
  taken(offset: number): void;
  /** An offset that was handed out waits again. */
  returned(offset: number): void;
  /** What waits from `from` up to but without `to` is settled. */
  settled(from: number, to: number): void;
  /** Nothing exists from `fromOffset` on. */
  withdrawn(fromOffset: number): void;
  /** Everything below is settled. */
  floorRaised(floor: number): void;
  /** Whether `offset` may have been delivered before the start. */
  isRedelivered(offset: number): boolean;
  /** For an orderly stop: as QueueCursor's. */
  tightenLease(): void;
}

/** Who wants to know what becomes of single deliveries. */
export interface DeliveryWatch {
  /** A delivery came back; its count is up to date. */
  returned(offset: number): void;
  /** A delivery is settled. */
  acknowledged(offset: number): void;
}
