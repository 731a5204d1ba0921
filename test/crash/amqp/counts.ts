/** What a run has met, for the report. */
export interface LoadCounts {
  published: number;
  confirmed: number;
  nacked: number;
  nackedYetStored: number;
  returned: number;
  deliveries: number;
  redelivered: number;
  acked: number;
  ackedTwice: number;
  rejected: number;
  committed: number;
  moved: number;
  rolledBack: number;
  /** Transactions of which nobody knew the end when the node died, and that were carried out, or were not. */
  recoveredCommits: number;
  recoveredAborts: number;
  delayed: number;
  latestMs: number;
}

/** All zero. */
export function noLoadCounts(): LoadCounts {
  return {
    published: 0,
    confirmed: 0,
    nacked: 0,
    nackedYetStored: 0,
    returned: 0,
    deliveries: 0,
    redelivered: 0,
    acked: 0,
    ackedTwice: 0,
    rejected: 0,
    committed: 0,
    moved: 0,
    rolledBack: 0,
    recoveredCommits: 0,
    recoveredAborts: 0,
    delayed: 0,
    latestMs: 0,
  };
}

/** Adds what another run has met. */
export function addLoadCounts(total: LoadCounts, more: LoadCounts): void {
  for (const name of Object.keys(more) as (keyof LoadCounts)[]) {
    if (name === 'latestMs') total.latestMs = Math.max(total.latestMs, more.latestMs);
    else total[name] += more[name];
  }
}

/** The rows of a report about what clients have met. */
export function loadRows(counts: LoadCounts): (readonly [string, number])[] {
  return [
    ['messages published with confirms', counts.published],
    ['confirmed', counts.confirmed],
    ['answered with nack', counts.nacked],
    ['answered with nack, yet stored', counts.nackedYetStored],
    ['returned, before their ack', counts.returned],
    ['deliveries', counts.deliveries],
    ['flagged redelivered', counts.redelivered],
    ['acknowledged', counts.acked],
    ['acknowledged shortly before a sudden end, and came again', counts.ackedTwice],
    ['rejected to the dead letters', counts.rejected],
    ['transactions committed', counts.committed],
    ['messages that they took from queue to queue', counts.moved],
    ['transactions rolled back', counts.rolledBack],
    ['cut off by a sudden end, and carried out as a whole', counts.recoveredCommits],
    ['cut off by a sudden end, and undone as a whole', counts.recoveredAborts],
    ['delayed messages that came, none early', counts.delayed],
    ['latest of them after its time, or the start, on an idle node (ms)', counts.latestMs],
  ];
}
