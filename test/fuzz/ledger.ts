/** What happened: outcomes by class of frame, what was sent to which topic, and every rule that was broken. */

/** Books of one run. */
export class Ledger {
  /** Frames that the node had to judge. */
  frames = 0;
  /** Frames behind one that closed the connection. */
  unheard = 0;
  connections = 0;
  readonly violations: string[] = [];
  /** Topic to messages that may have been stored there. */
  readonly attempted = new Map<string, number>();
  /** Topic to messages that were confirmed. */
  readonly confirmed = new Map<string, number>();
  /** Names that were in a declaration, sound or not. */
  readonly declared = new Set<string>();
  private readonly outcomes = new Map<string, Map<string, number>>();
  private readonly prefix: string;

  /** `campaign`: what violations are told of. */
  constructor(campaign?: string) {
    this.prefix = campaign === undefined ? '' : `${campaign}: `;
  }

  /** Notes the outcome of one frame. */
  note(attack: string, outcome: string): void {
    this.frames++;
    const row = this.outcomes.get(attack) ?? new Map<string, number>();
    this.outcomes.set(attack, row);
    row.set(outcome, (row.get(outcome) ?? 0) + 1);
  }

  /** Notes a broken rule; `job` is what replays it. */
  violation(job: number | undefined, text: string): void {
    const whole = `${this.prefix}${job === undefined ? text : `job ${job}: ${text}`}`;
    this.violations.push(whole);
    console.log(`VIOLATION ${whole}`);
  }

  /** Adds to a count by topic. */
  add(counts: Map<string, number>, topic: string, messages: number): void {
    counts.set(topic, (counts.get(topic) ?? 0) + messages);
  }

  /** One line per class of attack. */
  table(): string {
    const lines = [...this.outcomes].sort().map(([attack, row]) => {
      const total = [...row.values()].reduce((sum, count) => sum + count, 0);
      const cells = [...row].sort((one, other) => other[1] - one[1]).map(([outcome, count]) => `${outcome} ${count}`);
      return `  ${attack.padEnd(22)} ${String(total).padStart(8)}  ${cells.join(', ')}`;
    });
    return lines.join('\n');
  }
}
