import { Deque } from '../base/deque.js';
import type { PartitionConsumer } from './owned-partition.js';

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

  /** The first of the highest priority; undefined when nobody stands in the line. */
  popFront(): PartitionConsumer | undefined {
    for (let index = 0; index < this.lanes.length; index++) {
      const consumer = this.lanes[index]!.consumers.popFront();
      if (consumer !== undefined) return consumer;
    }
    return undefined;
  }

  clear(): void {
    this.lanes.length = 0;
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
