/** Runs one script against the node: connections, answers, and what each frame came to. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { duolog } from '../../src/proto/client.js';
import type { Attack, SessionScript } from './attacks.js';
import type { Ledger } from './ledger.js';
import { SILENCE_MS } from './limits.js';

const { Frame } = duolog.client.v1;

/** Close codes that docs/protocols/native.md knows, and 1006 for a message far beyond every limit. */
const DOCUMENTED: ReadonlySet<number> = new Set([1001, 1002, 1006, 1007, 1008, 1009, 1013, 4000, 4001, 4002, 4003]);
const HELLO_BYTES = Frame.encode({ hello: { version: 1, clientName: 'fuzz' } }).finish();
const HELLO_TEXT = JSON.stringify({ hello: { version: 1 } });
const PING_ID = 0x7bcd_ef01;

/** The parts of an answer that count here. */
interface Answer {
  id: number;
  kind: string;
}

/** A frame that was sent, and which answer to its id is its own. */
interface Sent {
  readonly attack: Attack;
  readonly nth: number;
}

/** One connection of a job. */
class Attacker {
  readonly socket: WebSocket;
  code: number | undefined;
  /** Answers by id, and errors that name none. */
  readonly answers = new Map<number, string[]>();
  pongs = 0;
  reason = '';
  private readonly sent = new Map<number, number>();
  /** Runs whenever something came. */
  private wake: () => void = () => {};
  private readonly confirmed: (id: number, count: number) => void;

  constructor(url: string, confirmed: (id: number, count: number) => void) {
    this.confirmed = confirmed;
    this.socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
    this.socket.on('message', (bytes: Buffer, isBinary: boolean) => {
      for (const answer of isBinary ? this.readBinary(bytes) : this.readText(bytes)) this.take(answer);
      this.wake();
    });
    this.socket.on('close', (code, reason) => {
      this.reason = String(reason);
      this.code = code;
      this.wake();
    });
    this.socket.on('error', () => {});
  }

  private readBinary(bytes: Buffer): Answer[] {
    const frame = Frame.decode(bytes);
    if (frame.confirms) return (frame.confirms.confirms ?? []).map((confirm) => this.readConfirm(confirm));
    const kind = Object.keys(frame).find((name) => name !== 'id') ?? 'nothing';
    return [{ id: frame.id ?? 0, kind }];
  }

  private readConfirm(confirm: duolog.client.v1.Confirm.$Properties): Answer {
    for (const range of confirm.ranges ?? [])
      this.confirmed(confirm.id ?? 0, confirm.duplicate ? 0 : Number(range.count ?? 0));
    return { id: confirm.id ?? 0, kind: 'confirm' };
  }

  private readText(bytes: Buffer): Answer[] {
    // The node's own JSON; anything else would throw and end the run.
    const frame = JSON.parse(bytes.toString()) as duolog.client.v1.Frame.$Properties;
    if (frame.confirms) return (frame.confirms.confirms ?? []).map((confirm) => this.readConfirm(confirm));
    return [{ id: frame.id ?? 0, kind: Object.keys(frame).find((name) => name !== 'id') ?? 'nothing' }];
  }

  private take({ id, kind }: Answer): void {
    if (kind === 'pong' && id === PING_ID) this.pongs++;
    const known = this.answers.get(id);
    if (known === undefined) this.answers.set(id, [kind]);
    else if (id !== 0 || kind === 'error') known.push(kind);
  }

  /** Waits until `isDone`, or the end of the connection. Returns false after so long a silence. */
  async until(isDone: () => boolean): Promise<boolean> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.wake();
    }, SILENCE_MS);
    while (!isDone() && this.code === undefined && !isLate) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    clearTimeout(timer);
    return !isLate;
  }

  async open(script: SessionScript): Promise<void> {
    if (this.socket.readyState === WebSocket.CONNECTING)
      await Promise.race([once(this.socket, 'open'), once(this.socket, 'close')]);
    if (script.greets) this.socket.send(script.form === 'text' ? HELLO_TEXT : HELLO_BYTES);
  }

  /** Sends a frame. Returns which answer to its id is its own, counted from 0, or -1 when there is none to wait for. */
  send({ bytes, verdict }: Attack): number {
    this.socket.send(bytes);
    if (verdict.id === 0 || verdict.isSlow) return -1;
    const nth = this.sent.get(verdict.id) ?? 0;
    this.sent.set(verdict.id, nth + 1);
    return nth;
  }

  /** The kind of the `nth` answer to an id. */
  answer(id: number, nth: number): string | undefined {
    return this.answers.get(id)?.[nth];
  }

  ping(): void {
    this.socket.send(Frame.encode({ id: PING_ID, ping: {} }).finish());
  }
}

/** Runs a script: its frames one after the other, over as many connections as it takes. */
export class SessionJob {
  private readonly url: string;
  private readonly job: number;
  private readonly script: SessionScript;
  private readonly ledger: Ledger;
  private readonly targets = new Map<number, string>();

  constructor(url: string, job: number, script: SessionScript, ledger: Ledger) {
    this.url = url;
    this.job = job;
    this.script = { ...script, attacks: script.attacks.filter((attack) => !attack.verdict.isTooCostly) };
    this.ledger = ledger;
    for (const { verdict } of this.script.attacks) {
      this.ledger.add(ledger.attempted, verdict.to, verdict.messages);
      ledger.declared.add(verdict.declares);
      // Two frames of one id: whose confirm it is cannot be told, so it counts for nobody.
      if (verdict.id !== 0) this.targets.set(verdict.id, this.targets.has(verdict.id) ? '' : verdict.to);
    }
  }

  async run(): Promise<void> {
    const { attacks } = this.script;
    for (let at = 0; at < attacks.length; ) {
      const attacker = new Attacker(this.url, (id, count) =>
        this.ledger.add(this.ledger.confirmed, this.targets.get(id) ?? '', count),
      );
      this.ledger.connections++;
      await attacker.open(this.script);
      const start = at;
      while (at < attacks.length && attacker.code === undefined) at = await this.segment(attacker, at);
      attacker.socket.terminate();
      if (at === start) {
        this.ledger.violation(this.job, `The node refused a connection (${attacker.code})`);
        return;
      }
    }
  }

  /** Sends the frames up to the next that may close the connection, and a Ping. Returns where to go on. */
  private async segment(attacker: Attacker, from: number): Promise<number> {
    const { attacks, isBurst } = this.script;
    // What may close the connection goes alone, so that no other frame's answer is lost with it.
    const closing = attacks.findIndex(({ verdict }, index) => index >= from && verdict.mayClose);
    const to = isBurst || closing < 0 ? attacks.length : Math.max(closing, from + 1);
    const pongs = attacker.pongs + 1;
    const sent = attacks.slice(from, to).map((attack) => ({ attack, nth: attacker.send(attack) }));
    attacker.ping();
    const missing = (): Sent[] =>
      sent.filter(({ attack, nth }) => nth >= 0 && attacker.answer(attack.verdict.id, nth) === undefined);
    let waiting = sent;
    const isAnswered = (): boolean => {
      if (attacker.pongs < pongs) return false;
      waiting = missing();
      return waiting.length === 0;
    };
    if (!(await attacker.until(isAnswered))) this.silence(attacker, waiting);
    this.judge(attacker, sent);
    return to;
  }

  private silence(attacker: Attacker, waiting: readonly Sent[]): void {
    const names = waiting.map(({ attack }) => `${attack.verdict.id} (${attack.name})`);
    this.ledger.violation(
      this.job,
      `silence: ${attacker.pongs} pongs, no answer to the ids ${names.slice(0, 5).join(', ')}`,
    );
    // Nothing more can be said of this connection.
    attacker.socket.terminate();
    attacker.code ??= 1006;
  }

  private judge(attacker: Attacker, sent: readonly Sent[]): void {
    const { code } = attacker;
    if (code !== undefined && !DOCUMENTED.has(code)) {
      this.ledger.violation(this.job, `closed with ${code}, which is not documented`);
    }
    if (code !== undefined && !sent.at(-1)?.attack.verdict.mayClose && process.env['DUOLOG_FUZZ_TALK'] !== undefined) {
      console.log(`job ${this.job} was closed unforeseen: ${code} ${attacker.reason}`);
    }
    for (const [index, { attack, nth }] of sent.entries()) {
      const kind = nth < 0 ? undefined : attacker.answer(attack.verdict.id, nth);
      const outcome = this.outcome(kind, code, index === sent.length - 1);
      this.ledger.note(attack.name, outcome);
    }
    if (code === undefined) this.checkExcess(attacker);
  }

  private outcome(kind: string | undefined, code: number | undefined, isLast: boolean): string {
    if (kind === 'error') return 'error';
    if (kind !== undefined) return 'answered';
    if (code === undefined) return 'no answer due';
    return isLast ? `closed ${code}` : `lost with a close ${code}`;
  }

  private checkExcess(attacker: Attacker): void {
    const sent = new Map<number, number>();
    for (const { verdict } of this.script.attacks) sent.set(verdict.id, (sent.get(verdict.id) ?? 0) + 1);
    // A frame that the generated decoder could not read may have had any id.
    const isClear = !this.script.attacks.some(({ verdict }) => verdict.mayClose && verdict.id === 0);
    for (const [id, kinds] of attacker.answers) {
      const due = sent.get(id) ?? (isClear ? 0 : 1);
      if (id !== 0 && id !== PING_ID && kinds.length > due) {
        this.ledger.violation(this.job, `${kinds.length} answers (${kinds.join(', ')}) to ${due} frames with id ${id}`);
      }
    }
  }
}
