import { Deque } from '../base/deque.js';
import { canTake, type PartitionConsumer } from './partition-consumers.js';

/** Consumers of one priority. */
interface Lane {
  readonly priority: number;
  readonly consumers: Deque<PartitionConsumer>;
}

/** The consumers of a partition that can take a message, in turn; those of a higher priority before all others. */
export class ConsumerLine {
  /** The highest priority first; lanes stay when they have run empty. */
  private readonly lanes: Lane[] = [];

  pushBack(consumer: PartitionConsumer): void {
    this.laneOf(consumer.priority).consumers.pushBack(consumer);
  }

  pushFront(consumer: PartitionConsumer): void {
    this.laneOf(consumer.priority).consumers.pushFront(consumer);
  }

  /** Takes the first of the highest priority who can take a message; those who cannot leave the line. Undefined when nobody is left. */
  next(): PartitionConsumer | undefined {
    for (let index = 0; index < this.lanes.length; index++) {
      const { consumers } = this.lanes[index]!;
      for (let consumer = consumers.popFront(); consumer !== undefined; consumer = consumers.popFront()) {
        consumer.queued = false;
        if (canTake(consumer)) return consumer;
      }
    }
    return undefined;
  }

  private laneOf(priority: number): Lane {
    let index = 0;
    while (index < this.lanes.length && this.lanes[index]!.priority > priority) index++;
    let lane = this.lanes[index];
    if (lane === undefined || lane.priority !== priority) {
      lane = { priority, consumers: new Deque() };
      this.lanes.splice(index, 0, lane);
    }
    return lane;
  }
}
