/** Messages that transactions take from queue to queue: each is in one place, and those of one transaction go together or stay together. */
import { promised } from '../power/violation.js';
import type { LoadCounts } from './counts.js';

/** One message on its way. */
export interface Step {
  readonly id: string;
  readonly to: string;
}

/** What one transaction moves, until it is known what has become of it. */
export interface Move {
  readonly name: string;
  readonly steps: readonly Step[];
  outcome: 'committed' | 'aborted' | undefined;
  /** The node died before it had told. */
  isCutOff: boolean;
}

interface Place {
  home: string;
  move: Move | undefined;
}

/** See the top of this file. */
export class Moves {
  private readonly counts: LoadCounts;
  private readonly places = new Map<string, Place>();
  private readonly moves = new Map<string, Move>();

  constructor(counts: LoadCounts) {
    this.counts = counts;
  }

  /** A message was published to its first queue. */
  entered(id: string, queue: string): void {
    this.places.set(id, { home: queue, move: undefined });
  }

  /** A transaction is about to be committed. */
  begin(name: string, steps: readonly Step[]): Move {
    const move: Move = { name, steps, outcome: undefined, isCutOff: false };
    this.moves.set(name, move);
    for (const { id } of steps) {
      const place = this.places.get(id);
      if (place !== undefined) place.move = move;
    }
    return move;
  }

  /** The node died: nobody will tell what became of those that are under way. */
  died(): void {
    for (const move of this.moves.values()) move.isCutOff ||= move.outcome === undefined;
  }

  /** What has become of a transaction, if anybody knows. */
  outcomeOf(name: string): Move['outcome'] {
    return this.moves.get(name)?.outcome;
  }

  /** A message came from a queue, which may tell what became of its transaction. @throws Violation */
  came(queue: string, id: string): void {
    const place = this.places.get(id);
    if (place === undefined) return;
    const { home, move } = place;
    const step = move?.steps.find((one) => one.id === id);
    const isThere = move !== undefined && queue === step?.to;
    promised(isThere || queue === home, 'transaction-torn', () => `"${id}" came from ${queue}, and it is in ${home}`);
    if (move === undefined) return;
    if (move.isCutOff && isThere) this.counts.recoveredCommits++;
    else if (move.isCutOff) this.counts.recoveredAborts++;
    this.resolve(move, isThere ? 'committed' : 'aborted');
  }

  /** It is known what became of a transaction. @throws Violation when it is known to have gone the other way. */
  resolve(move: Move, outcome: 'committed' | 'aborted'): void {
    promised(
      move.outcome === undefined || move.outcome === outcome,
      'transaction-torn',
      () => `Transaction ${move.name} was ${move.outcome}, and a message of it was ${outcome}`,
    );
    if (move.outcome !== undefined) return;
    move.outcome = outcome;
    for (const { id, to } of move.steps) {
      const place = this.places.get(id);
      if (place?.move !== move) continue;
      place.move = undefined;
      if (outcome === 'committed') place.home = to;
    }
  }

  /** All queues are empty. */
  clear(): void {
    this.places.clear();
    this.moves.clear();
  }
}
