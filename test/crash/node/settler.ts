import type { Session } from './session.js';

/** What becomes of a delivery. */
export type Outcome = 'OUTCOME_ACKNOWLEDGE' | 'OUTCOME_REQUEUE';

interface Waiting {
  readonly tag: number;
  /** Told when the outcome is confirmed. */
  readonly confirmed: () => void;
}

/** Settles the deliveries of one subscription, those of each outcome with one request at a time. */
export class Settler {
  private readonly session: Session;
  private readonly refused: (message: string) => void;
  private readonly waiting = new Map<Outcome, Waiting[]>();
  private readonly busy = new Set<Outcome>();

  constructor(session: Session, refused: (message: string) => void) {
    this.session = session;
    this.refused = refused;
  }

  /** Settles one delivery, soon. */
  settle(tag: number, outcome: Outcome, confirmed: () => void): void {
    const waiting = this.waiting.get(outcome) ?? [];
    this.waiting.set(outcome, waiting);
    waiting.push({ tag, confirmed });
    this.send(outcome);
  }

  private send(outcome: Outcome): void {
    const waiting = this.waiting.get(outcome) ?? [];
    if (this.busy.has(outcome) || waiting.length === 0) return;
    this.busy.add(outcome);
    const settled = waiting.splice(0, 200).sort((left, right) => left.tag - right.tag);
    const tags = settled.map(({ tag }) => ({ first: tag, last: tag }));
    this.session.send({ settle: { subscription: 1, outcome, tags } }, ({ error }) => {
      this.busy.delete(outcome);
      if (error !== undefined) this.refused(error.message);
      else for (const { confirmed } of settled) confirmed();
      this.send(outcome);
    });
  }
}
