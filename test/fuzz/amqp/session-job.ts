import type { Prng } from '../../../src/base/prng.js';
import type { decodeMethod } from '../../diff/wire/methods.js';
import type { Ledger } from '../ledger.js';
import { SILENCE_MS } from '../limits.js';
import { greeting, methodFrame } from './client.js';
import { Connection } from './connection.js';
import { type Beginning, badBeginning } from './greetings.js';
import { channelFlood, hardAttack, unfinishedBodies } from './hard-attacks.js';
import { mutation } from './mutations.js';
import { softAttack } from './soft-attacks.js';
import { asking, type Step, soundStep } from './steps.js';
import { type Carrier, type NodeAddress, type NodeFrame, PROTOCOL_HEADER } from './stream.js';

/** Reply codes that a client can bring about; 541, that the node has failed, is none of them. */
const DOCUMENTED: ReadonlySet<number> = new Set([403, 404, 405, 406, 501, 502, 503, 504, 505, 506, 530, 540]);
/** Steps of a connection that does nothing wrong, and of others before they do. */
const STEPS = 40;
const FEW_STEPS = 6;
const CHANNELS = 3;
const PROBE_CHANNEL = 777;
/** A node that waits for the rest of a frame gets so many bytes more, which are frames themselves. */
const PADDING = Buffer.concat(Array.from({ length: 18_000 }, () => Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce])));
const PADDING_AFTER_MS = 150;

/** What is known of one channel. */
interface ChannelState {
  /** Delivery tags that can be settled. */
  readonly held: number[];
  /** Publishes since confirm.select, -1 before it. */
  published: number;
  readonly unconfirmed: Set<number>;
  isGetAutomatic: boolean;
}

/** One connection of the attack: all that it sends follows from the generator. */
export class SessionJob {
  private readonly job: number | undefined;
  private readonly prng: Prng;
  private readonly ledger: Ledger;
  private readonly connection: Connection;
  private readonly channels = new Map<number, ChannelState>();
  private serial = 0;
  /** What is changed may be a publish or none: nobody counts confirms then. */
  private isCounting = true;

  private constructor(job: number | undefined, prng: Prng, ledger: Ledger, connection: Connection) {
    this.job = job;
    this.prng = prng;
    this.ledger = ledger;
    this.connection = connection;
    connection.onMethod = (frame, name, fields) => this.take(frame, name, fields);
    connection.onWrong = (text) => this.violation(text);
  }

  /** Runs one job. `isBrief`: nothing that takes many megabytes. */
  static async run(address: NodeAddress, job: number, prng: Prng, ledger: Ledger, isBrief: boolean): Promise<void> {
    const carrier: Carrier = prng.chance(0.3) ? 'ws' : 'tcp';
    ledger.connections++;
    const connection = await Connection.open(address, carrier, prng);
    const run = new SessionJob(job, prng, ledger, connection);
    try {
      await run.play(carrier, isBrief);
    } finally {
      connection.stream.destroy();
    }
  }

  /** Runs one connection that makes this beginning, or opens honestly and takes these steps. */
  static async strike(
    address: NodeAddress,
    carrier: Carrier,
    what: Beginning | readonly Step[],
    prng: Prng,
    ledger: Ledger,
  ): Promise<void> {
    ledger.connections++;
    const connection = await Connection.open(address, carrier, prng);
    const run = new SessionJob(undefined, prng, ledger, connection);
    try {
      if ('pieces' in what) return await run.begin(what, carrier);
      if (!(await run.greet())) return;
      for (const step of what) if (!(await run.step(step, carrier))) return;
      await run.leave();
    } finally {
      connection.stream.destroy();
    }
  }

  private violation(text: string): void {
    this.ledger.violation(this.job, text);
  }

  private async play(carrier: Carrier, isBrief: boolean): Promise<void> {
    const { prng } = this;
    if (prng.chance(0.1)) return this.begin(badBeginning(prng), carrier);
    if (!(await this.greet())) return;
    const choice = prng.nextFloat();
    // A WebSocket that cannot be paused would hold all of it in this process.
    if (choice < 0.004) return void (await this.step(channelFlood(), carrier));
    if (choice < 0.006 && !isBrief && carrier === 'tcp') return void (await this.step(unfinishedBodies(), carrier));
    const isMutating = choice < 0.25;
    const isAttacking = !isMutating && choice < 0.65;
    const steps = isMutating || isAttacking ? prng.between(0, FEW_STEPS) : STEPS;
    for (let count = 0; count < steps; count++) if (!(await this.step(this.mildStep(), carrier))) return;
    if (isMutating) {
      this.isCounting = false;
      // Some changes show nothing, and some cannot even be seen: several follow each other.
      for (let count = 0; count < 8; count++) if (!(await this.step(mutation(prng, 1), carrier))) return;
    } else if (isAttacking) await this.step(hardAttack(prng, this.job ?? 0), carrier);
    else await this.leave();
  }

  private mildStep(): Step {
    const channel = this.prng.between(1, CHANNELS);
    if (this.prng.chance(0.15)) return softAttack(this.prng, channel);
    return soundStep(this.prng, channel, this.serial++);
  }

  // ---- Beginnings ----

  private async begin({ name, pieces, outcomes }: Beginning, carrier: Carrier): Promise<void> {
    const { connection } = this;
    for (const [index, piece] of pieces.entries()) {
      const seen = connection.frames;
      connection.write(piece);
      if (index < pieces.length - 1) await connection.until(() => connection.frames > seen || connection.isDone);
    }
    const isDone = await connection.until(() => connection.isDone);
    const outcome = connection.closeCode ?? (connection.stream.isRefused ? -1 : 0);
    if (!isDone) this.violation(`${name} over ${carrier}: neither refused nor closed within ${SILENCE_MS} ms`);
    else if (!outcomes.includes(outcome))
      this.violation(`${name} over ${carrier}: ended with ${outcome}, ${outcomes.join(' or ')} was due`);
    this.ledger.note(`begin: ${name}`, outcome === -1 ? 'refused' : outcome === 0 ? 'cut' : `closed ${outcome}`);
    await this.seeEnd(name);
  }

  private async greet(): Promise<boolean> {
    const { connection } = this;
    for (const piece of [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([greeting.tuneOk, greeting.open])]) {
      const seen = connection.frames;
      connection.write(piece);
      if (!(await connection.until(() => connection.frames > seen || connection.isDone)) || connection.isDone) {
        this.violation(`An honest beginning ended with ${connection.closeCode}`);
        return false;
      }
    }
    for (let channel = 1; channel <= CHANNELS; channel++) if (!(await this.openChannel(channel))) return false;
    return true;
  }

  private async openChannel(channel: number): Promise<boolean> {
    this.channels.set(channel, { held: [], published: -1, unconfirmed: new Set(), isGetAutomatic: false });
    const step = asking(channel, 'channel.open', {});
    for (const frame of step.frames) this.connection.write(frame);
    return this.answered(step);
  }

  // ---- Steps ----

  /** Sends a step and sees to it that its wish comes true. Returns whether the connection serves on. */
  private async step(step: Step, carrier: Carrier): Promise<boolean> {
    const { connection } = this;
    this.note(step);
    for (const frame of step.frames) connection.write(frame);
    if (step.frames.length > 1) this.ledger.frames += step.frames.length - 1;
    const { wish } = step;
    const where = `${step.name} over ${carrier}`;
    switch (wish.kind) {
      case 'nothing':
        if (step.settles !== undefined) this.settle(step);
        this.ledger.note(step.name, 'sent');
        return !connection.isDone || this.unwanted(where);
      case 'answer':
        this.ledger.note(step.name, 'asked');
        return this.answered(step);
      case 'channel':
        return this.channelCloses(step, wish.codes, where);
      case 'connection':
        await this.connectionCloses(step, wish.codes, where);
        return false;
      case 'any':
        return this.probe(step, where);
    }
  }

  private note(step: Step): void {
    const state = this.channels.get(step.channel);
    if (state === undefined) return;
    for (let left = step.messages ?? 0; left > 0 && state.published >= 0; left--)
      state.unconfirmed.add(++state.published);
    if (step.name === 'basic.get') state.isGetAutomatic = step.frames[0]?.at(-2) === 1;
  }

  private settle(step: Step): void {
    const { prng, connection } = this;
    const held = this.channels.get(step.channel)?.held ?? [];
    if (held.length === 0) return;
    const at = prng.below(held.length);
    const deliveryTag = held[at]!;
    const multiple = prng.chance(0.5);
    held.splice(multiple ? 0 : at, multiple ? at + 1 : 1);
    const name = step.settles === 'ack' ? 'basic.ack' : 'basic.nack';
    connection.write(methodFrame(step.channel, name, { deliveryTag, multiple, requeue: step.settles === 'requeue' }));
  }

  private async answered(step: Step): Promise<boolean> {
    const { connection } = this;
    const { wish } = step;
    if (wish.kind !== 'answer') return true;
    const isThere = await connection.until(
      () =>
        wish.methods.includes(connection.answers.get(step.channel) ?? '') ||
        connection.isDone ||
        connection.channelCodes.has(step.channel),
    );
    const answer = connection.answers.get(step.channel);
    connection.answers.delete(step.channel);
    if (isThere && answer !== undefined && !connection.isDone) return true;
    const code = connection.channelCodes.get(step.channel) ?? connection.closeCode;
    this.violation(
      `${step.name}: ${code === undefined ? 'no answer' : `closed with ${code} "${connection.closeText}" instead of an answer`}`,
    );
    return false;
  }

  private async channelCloses(step: Step, codes: readonly number[], where: string): Promise<boolean> {
    const { connection } = this;
    await connection.until(() => connection.channelCodes.has(step.channel) || connection.isDone);
    const code = connection.channelCodes.get(step.channel);
    this.ledger.note(step.name, code === undefined ? 'nothing' : `channel ${code}`);
    if (code === undefined || !codes.includes(code)) {
      const came =
        code ?? (connection.isDone ? `the end, ${connection.closeCode} "${connection.closeText}"` : 'nothing');
      this.violation(`${where}: ${came} came, a channel's end with ${codes.join(' or ')} was due`);
      return false;
    }
    connection.channelCodes.delete(step.channel);
    return this.openChannel(step.channel);
  }

  private async connectionCloses(step: Step, codes: readonly number[], where: string): Promise<void> {
    const { connection } = this;
    await connection.until(() => connection.isDone);
    const code = connection.closeCode;
    this.ledger.note(step.name, code === undefined ? 'cut' : `closed ${code}`);
    if (code === undefined || !codes.includes(code)) {
      this.violation(`${where}: ended with ${code} "${connection.closeText}", ${codes.join(' or ')} was due`);
    }
    await this.seeEnd(where);
  }

  /** After what nobody understands: the node has closed, or it answers to something sound, at the latest when it has had a whole frame's bytes. */
  private async probe(step: Step, where: string): Promise<boolean> {
    const { connection } = this;
    connection.write(methodFrame(PROBE_CHANNEL, 'channel.open'));
    const isSettled = (): boolean => connection.answers.get(PROBE_CHANNEL) === 'channel.open-ok' || connection.isDone;
    if (!(await connection.until(isSettled, PADDING_AFTER_MS))) {
      // What was padded may have been the rest of a frame, which then has swallowed the question.
      connection.write(PADDING);
      connection.write(methodFrame(PROBE_CHANNEL, 'channel.open'));
    }
    const isClear = await connection.until(isSettled);
    const isServing = isClear && !connection.isDone;
    const code = connection.closeCode;
    this.ledger.note(step.name, isServing ? 'serves on' : code === undefined ? 'ended' : `closed ${code}`);
    if (!isClear) this.violation(`${where}: neither closed nor answered`);
    if (!isServing) {
      await this.seeEnd(where);
      return false;
    }
    connection.answers.delete(PROBE_CHANNEL);
    connection.write(methodFrame(PROBE_CHANNEL, 'channel.close', { replyCode: 200 }));
    await connection.until(() => connection.answers.get(PROBE_CHANNEL) === 'channel.close-ok' || connection.isDone);
    connection.answers.delete(PROBE_CHANNEL);
    // Content that was begun would swallow what follows on its channel.
    return !connection.isDone;
  }

  private unwanted(where: string): false {
    const { closeCode, closeText } = this.connection;
    this.violation(`${where}: the connection ended with ${closeCode} "${closeText}"`);
    return false;
  }

  /** The socket ends once the close was answered. */
  private async seeEnd(where: string): Promise<void> {
    const { connection } = this;
    if (!(await connection.until(() => connection.stream.isOver))) this.violation(`${where}: the socket stays open`);
    const { closeCode } = connection;
    if (closeCode !== undefined && !DOCUMENTED.has(closeCode))
      this.violation(`${where}: closed with ${closeCode} "${connection.closeText}"`);
  }

  /** Everything was sound: all publishes are confirmed, and the close is answered. */
  private async leave(): Promise<void> {
    const { connection } = this;
    const missing = (): number =>
      [...this.channels.values()].reduce((sum, { unconfirmed }) => sum + unconfirmed.size, 0);
    if (!(await connection.until(() => missing() === 0 || connection.isDone)) || connection.isDone)
      return void this.violation(`${missing()} publishes were not confirmed; closed with ${connection.closeCode}`);
    connection.write(methodFrame(0, 'connection.close', { replyCode: 200 }));
    if (!(await connection.until(() => connection.stream.isOver))) this.violation('A close was not answered');
    this.ledger.note('connection.close', connection.hasCloseOk ? 'close-ok' : 'cut');
  }

  // ---- What the node sends ----

  private take(frame: NodeFrame, name: string, fields: ReturnType<typeof decodeMethod>['fields']): void {
    const state = this.channels.get(frame.channel);
    if (state === undefined) return;
    if (name === 'basic.deliver') {
      // The consumers with even numbers do not acknowledge.
      if (Number(String(fields['consumerTag']).split('-')[1]) % 2 === 1) state.held.push(Number(fields['deliveryTag']));
    } else if (name === 'basic.get-ok') {
      if (!state.isGetAutomatic) state.held.push(Number(fields['deliveryTag']));
    } else if (name === 'basic.recover-ok') state.held.length = 0;
    else if (name === 'confirm.select-ok') state.published = Math.max(0, state.published);
    else if (this.isCounting && (name === 'basic.ack' || name === 'basic.nack'))
      this.confirmed(state, Number(fields['deliveryTag']), fields['multiple'] === true);
  }

  private confirmed(state: ChannelState, tag: number, multiple: boolean): void {
    if (!state.unconfirmed.delete(tag))
      this.violation(`Publish ${tag} of ${state.published} was confirmed twice, or never made`);
    if (multiple) for (const one of state.unconfirmed) if (one < tag) state.unconfirmed.delete(one);
  }
}
