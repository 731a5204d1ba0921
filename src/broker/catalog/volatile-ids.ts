/** Topic ids and log ids of what ends with this start of the node. They begin anew at each start, and again when all were given away. */
import { LOG_ID_MAX, VOLATILE_ID_FIRST } from '../metadata-limits.js';

/** See the top of this file. */
export class VolatileIds {
  private unusedTopicId = VOLATILE_ID_FIRST;
  private unusedLogId = VOLATILE_ID_FIRST;

  /** An id that no living topic has. */
  topicId(isUsed: (topicId: number) => boolean): number {
    let topicId = this.unusedTopicId;
    while (topicId > LOG_ID_MAX || isUsed(topicId)) topicId = topicId >= LOG_ID_MAX ? VOLATILE_ID_FIRST : topicId + 1;
    return topicId;
  }

  /** An id that no living log has, and whose owner is `shard` of `shards`. */
  logId(shard: number, shards: number, isUsed: (logId: number) => boolean): number {
    const first = (from: number): number => from + ((((shard - from) % shards) + shards) % shards);
    let logId = first(this.unusedLogId);
    while (logId > LOG_ID_MAX || isUsed(logId)) logId = logId > LOG_ID_MAX ? first(VOLATILE_ID_FIRST) : logId + shards;
    return logId;
  }

  topicIdUsed(topicId: number): void {
    this.unusedTopicId = topicId + 1;
  }

  logIdUsed(logId: number): void {
    this.unusedLogId = logId + 1;
  }
}
