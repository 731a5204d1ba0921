/** Where things lie below the data folder, and how they are named. See docs/design/node.md. */

const OFFSET_DIGITS = 20;
const SEGMENT_NAME = /^(\d{20})\.log$/;
const JOURNAL_NAME = /^(\d{1,15})\.journal$/;
const CHECKPOINT_SET_NAME = /^(\d{1,15})\.(?:start|stop)\.checkpoints(?:\.tmp)?$/;

/** The kinds of files that belong to a segment. `cleaned` is a new generation on its way. */
export type SegmentFileKind = 'log' | 'index' | 'quarantine' | 'cleaned';

/** The folder with one folder per log. */
export function logsDirectory(dataDirectory: string): string {
  return `${dataDirectory}/logs`;
}

/** The folder of one log. */
export function logDirectory(dataDirectory: string, logId: number): string {
  return `${dataDirectory}/logs/${logId}`;
}

/** A file of the segment with this base offset. */
export function segmentPath(directory: string, baseOffset: number, kind: SegmentFileKind): string {
  return `${directory}/${String(baseOffset).padStart(OFFSET_DIGITS, '0')}.${kind}`;
}

/** The base offset of a segment by its file name, or -1 for other files. */
export function segmentBaseOf(name: string): number {
  const match = SEGMENT_NAME.exec(name);
  if (match === null) return -1;
  const base = Number(match[1]);
  return Number.isSafeInteger(base) ? base : -1;
}

/** A log's checkpoint. */
export function checkpointPath(directory: string): string {
  return `${directory}/checkpoint`;
}

/** The folder of the journals. */
export function journalsDirectory(dataDirectory: string): string {
  return `${dataDirectory}/journals`;
}

/** One journal. */
export function journalPath(dataDirectory: string, journalId: number): string {
  return `${dataDirectory}/journals/${journalId}.journal`;
}

/** When a set of checkpoints is written: after recovery, or when the shard stops. */
export type CheckpointSetKind = 'start' | 'stop';

/** The checkpoints of many logs, beside the journal of the start that wrote them. */
export function checkpointSetPath(dataDirectory: string, journalId: number, kind: CheckpointSetKind): string {
  return `${dataDirectory}/journals/${journalId}.${kind}.checkpoints`;
}

/** The id of the journal beside which a set of checkpoints lies, one that is not finished included, by its file name; -1 for other files. */
export function checkpointSetJournalOf(name: string): number {
  const match = CHECKPOINT_SET_NAME.exec(name);
  return match === null ? -1 : Number(match[1]);
}

/** A journal's id by its file name, or -1 for other files. */
export function journalIdOf(name: string): number {
  const match = JOURNAL_NAME.exec(name);
  return match === null ? -1 : Number(match[1]);
}
