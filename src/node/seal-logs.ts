import type { PartitionOwner } from '../broker/partition-owner.js';
import type { SealConditions, SealResult } from './control-messages.js';

/** Seals logs of this shard: all, or none. A log that is not here, or not any more, holds nothing. */
export function sealLogs(owner: PartitionOwner, logIds: readonly number[], conditions: SealConditions): SealResult {
  const sealed: number[] = [];
  let ready = 0;
  for (const logId of logIds) {
    if (owner.get(logId) === undefined) continue;
    const outcome = owner.seal(logId, conditions);
    if (!outcome.sealed) {
      for (const earlier of sealed) owner.unseal(earlier);
      return outcome;
    }
    sealed.push(logId);
    ready += outcome.ready;
  }
  return { sealed: true, ready };
}
