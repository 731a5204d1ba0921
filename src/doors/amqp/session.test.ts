import { describe, expect, it } from 'vitest';
import {
  Arguments,
  frame,
  header,
  joined,
  method,
  publish,
  short,
  table,
  tableContent,
  u8,
  u16,
  u32,
} from './fixtures/client-frames.js';
import { Harness, handshake, openChannel, openVhost, PROTOCOL, startOk, tuneOk } from './fixtures/harness.js';

const CLOSE = 0x0a_0032;

describe('handshake', () => {
  it('greets with version, capabilities and mechanisms, tunes and opens', async () => {
    const harness = new Harness();
    const start = await harness.ask(PROTOCOL);
    expect(start.method).toBe(0x0a_000a);
    expect([start.u8(), start.u8()]).toEqual([0, 9]);
    const properties = new TextDecoder('latin1').decode(start.long());
    expect(properties).toContain('Duolog');
    for (const name of ['publisher_confirms', 'consumer_cancel_notify', 'direct_reply_to', 'per_consumer_qos']) {
      expect(properties).toContain(name);
    }
    // A long string of six bytes.
    expect(properties).toContain(`version${String.fromCharCode(0x53, 0, 0, 0, 6)}3.13.0`);
    expect(new TextDecoder().decode(start.long())).toBe('PLAIN AMQPLAIN');
    const tune = await harness.ask(startOk());
    expect([tune.u16(), tune.u32(), tune.u16()]).toEqual([2047, 131_072, 60]);
    const open = await harness.ask(tuneOk(), openVhost());
    expect(open.method).toBe(0x0a_0029);
  });

  it('takes AMQPLAIN', async () => {
    const harness = new Harness();
    const response = tableContent({ LOGIN: 'guest', PASSWORD: 'guest' });
    await harness.send(PROTOCOL, startOk({}, response, 'AMQPLAIN'));
    expect(harness.methods()).toEqual([0x0a_000a, 0x0a_001e]);
  });

  it('answers another protocol with its own header, and closes', async () => {
    const harness = new Harness();
    await harness.send(new TextEncoder().encode('GET / HTTP/1.1\r\n'));
    expect(harness.sent()).toEqual(PROTOCOL);
    expect(harness.socket.isEnded).toBe(true);
  });

  it('tells of a refused login who understands it, and keeps others waiting', async () => {
    const told = new Harness();
    await told.send(PROTOCOL);
    const refusal = await told.refused(startOk({}, '\0guest\0wrong'));
    expect(refusal).toMatchObject({ scope: 'connection', code: 403 });
    expect(refusal.text).toMatch(/^ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/);
    const silent = new Harness();
    await silent.send(PROTOCOL, startOk({ capabilities: {} }, '\0guest\0wrong'));
    expect(silent.methods()).toEqual([0x0a_000a]);
    expect(silent.socket.isEnded).toBe(false);
    await silent.clock.advanceAsync(1000);
    expect(silent.socket.isEnded).toBe(true);
  });

  it('lets guest in from loopback only', async () => {
    const harness = new Harness({ address: '192.0.2.1' });
    expect(await harness.refused(PROTOCOL, startOk())).toMatchObject({ code: 403 });
  });

  it.each([
    ['an unknown mechanism', [startOk({}, 'x', 'SCRAM')], 503, /unknown authentication mechanism 'SCRAM'/],
    ['a malformed response', [startOk({}, 'guest')], 502, /SYNTAX_ERROR/],
    [
      'frame_max below the least',
      [startOk(), tuneOk({ frameMax: 4095 })],
      530,
      /frame_max = 4095 is lower .* \(4096\)/,
    ],
    ['frame_max above the offer', [startOk(), tuneOk({ frameMax: 131_073 })], 530, /higher than the maximum/],
    ['no channel limit', [startOk(), tuneOk({ channelMax: 0 })], 530, /channel_max = 0 \(no limit\) is higher/],
    [
      'a missing virtual host',
      [startOk(), tuneOk(), openVhost('nowhere')],
      530,
      /^NOT_ALLOWED - vhost nowhere not found$/,
    ],
    ['a method out of its place', [openVhost()], 504, /CHANNEL_ERROR - unexpected method in connection state starting/],
    ['a channel before open', [openChannel(1)], 505, /UNEXPECTED_FRAME/],
  ])('refuses %s', async (_what, parts, code, text) => {
    const refusal = await new Harness().refused(PROTOCOL, ...parts);
    expect(refusal).toMatchObject({ scope: 'connection', code });
    expect(refusal.text).toMatch(text);
  });

  it('gives up after the handshake timeout', async () => {
    const mute = new Harness();
    await mute.clock.advanceAsync(10_000);
    expect(mute.socket.isEnded).toBe(true);
    const slow = new Harness();
    await slow.send(PROTOCOL);
    await slow.clock.advanceAsync(10_000);
    expect(slow.methods()).toContain(CLOSE);
    // A stranger does not get as long for its answer as one whose connection was open.
    await slow.clock.advanceAsync(1000);
    expect(slow.socket.isEnded).toBe(true);
    const quick = await Harness.open();
    await quick.clock.advanceAsync(20_000);
    expect(quick.take()).toEqual([]);
  });
});

describe('hostile frames', () => {
  it.each([
    ['a bad end octet', joined([u8(1), u16(1), u32(4), u32(0), u8(0)]), 501],
    ['a frame beyond frame_max', joined([u8(1), u16(1), u32(200_000), new Uint8Array(10)]), 501],
    ['an unknown frame type', joined([u8(9), u16(0), u32(0), u8(0xce)]), 501],
    ['content on channel 0', header(0, 5), 505],
    ['a header without a publish', header(1, 5), 505],
    ['a body without a publish', frame(3, 1, u8(1)), 505],
    ['a heartbeat on a channel', frame(8, 1, new Uint8Array(0)), 505],
    ['an unknown method', method(1, 0x3c_03e7), 503],
    ['a method that only nodes send', method(1, 0x3c_003c), 503],
    ['a method that is cut short', method(1, 0x32_000a, u16(0)), 501],
    ['an empty method frame', frame(1, 1, new Uint8Array(0)), 501],
    ['a method on a channel that is not open', method(2, 0x3c_000a, u32(0), u16(1), u8(0)), 504],
    ['a second channel.open', openChannel(1), 504],
    ['a second connection.open', openVhost(), 504],
    ['a table that is none', method(1, 0x32_000a, u16(0), short('q'), u8(0), joined([u32(3), short('ab')])), 502],
    ['a publish on channel 0', method(0, 0x3c_0028, u16(0), short(''), short('q'), u8(0)), 504],
    ['immediate', publish(1, 'x', { immediate: true }), 540],
  ])('%s ends the connection', async (_what, bytes, code) => {
    const harness = await Harness.open();
    expect(await harness.refused(bytes)).toMatchObject({ scope: 'connection', code });
    await harness.send(publish(1, 'ignored', { key: 'q' }));
    expect(harness.broker.published).toEqual([]);
  });

  it.each([
    ['a frame that has no end', joined([u8(1), u16(1), u32(4), u32(0), u8(0)]), true],
    ['content on channel 0', header(0, 5), false],
  ])('%s: the answer to the close is awaited only if it can be read', async (_what, bytes, isEnded) => {
    const harness = await Harness.open();
    await harness.refused(bytes);
    expect(harness.socket.isEnded).toBe(isEnded);
    await harness.send(method(0, 0x0a_0033));
    expect(harness.socket.isEnded).toBe(true);
  });

  it('a nested table bomb ends the connection', async () => {
    let bomb = table({});
    for (let depth = 0; depth < 500; depth++) bomb = joined([u32(3 + bomb.length), short('a'), u8(0x46), bomb]);
    const harness = await Harness.open();
    const refusal = await harness.refused(method(1, 0x32_000a, u16(0), short('q'), u8(0), bomb));
    expect(refusal).toMatchObject({ scope: 'connection', code: 502 });
  });

  it('more channels than negotiated end the connection', async () => {
    const harness = await Harness.open({ channelMax: 2 });
    const refusal = await harness.refused(openChannel(2), openChannel(3));
    expect(refusal).toMatchObject({ scope: 'connection', code: 530 });
    expect(refusal.text).toContain('number of channels opened (2) has reached the negotiated channel_max (2)');
  });

  it('who does not answer a close is closed after the grace period', async () => {
    const harness = await Harness.open();
    await harness.refused(header(0, 5));
    await harness.send(publish(1, 'ignored', { key: 'q' }));
    expect(harness.socket.isEnded).toBe(false);
    await harness.clock.advanceAsync(10_000);
    expect(harness.socket.isEnded).toBe(true);
  });

  it('a frame in the middle of content ends the connection', async () => {
    const harness = await Harness.open();
    const refusal = await harness.refused(method(1, 0x3c_0028, u16(0), short(''), short('q'), u8(0)), openChannel(1));
    expect(refusal).toMatchObject({ scope: 'connection', code: 505, method: 0x3c_0028 });
    expect(refusal.text).toBe(
      'UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead',
    );
  });

  it('a body that is longer than announced ends the connection', async () => {
    const harness = await Harness.open();
    const parts = [
      method(1, 0x3c_0028, u16(0), short(''), short('q'), u8(0)),
      header(1, 2),
      frame(3, 1, new Uint8Array(3)),
    ];
    expect(await harness.refused(...parts)).toMatchObject({ scope: 'connection', code: 501 });
  });

  it('unfinished bodies are bounded per connection', async () => {
    const harness = await Harness.open({ limits: { maxMessageBytes: 1000, assemblingMaxBytes: 2500 } });
    const begin = (channel: number) =>
      joined([
        method(channel, 0x3c_0028, u16(0), short(''), short('q'), u8(0)),
        header(channel, 1000),
        frame(3, channel, u8(1)),
      ]);
    await harness.send(begin(1), openChannel(2), begin(2));
    expect(harness.methods()).toEqual([0x14_000b]);
    expect(await harness.refused(openChannel(3), begin(3))).toMatchObject({ scope: 'connection', code: 506 });
  });

  it('unfinished bodies are bounded for all connections together: whoever has most of them goes', async () => {
    const limits = { maxMessageBytes: 1000, assemblingMaxBytes: 2500, sharedRoomBytes: 2500 };
    const greedy = await Harness.open({ limits });
    const modest = await greedy.another();
    const begin = (channel: number) =>
      joined([
        method(channel, 0x3c_0028, u16(0), short(''), short('q'), u8(0)),
        header(channel, 1000),
        frame(3, channel, u8(1)),
      ]);
    await greedy.send(begin(1), openChannel(2), begin(2));
    greedy.take();
    await modest.send(begin(1));
    expect(modest.methods()).toEqual([]);
    expect(greedy.methods()).toEqual([CLOSE]);
    // What the one had is there for others.
    await modest.send(openChannel(2), begin(2));
    expect(modest.methods()).toEqual([0x14_000b]);
    // Nobody has more than who asks now.
    expect(await modest.refused(openChannel(3), begin(3))).toMatchObject({ scope: 'connection', code: 506 });
  });
});

describe('connection', () => {
  it('closes when the client says so, its own queues first', async () => {
    const harness = await Harness.open();
    await harness.send(method(1, 0x32_000a, u16(0), short('mine'), u8(0b0100), table()));
    harness.take();
    harness.broker.holdChanges = true;
    await harness.send(method(0, CLOSE, u16(200), short('bye'), u16(0), u16(0)));
    expect(harness.methods()).toEqual([]);
    harness.broker.releaseChanges();
    await harness.settle();
    expect(harness.methods()).toEqual([0x0a_0033]);
    expect(harness.socket.isEnded).toBe(true);
    expect(harness.broker.topic('mine')).toBeUndefined();
  });

  it('deletes exclusive queues when the socket is cut', async () => {
    const harness = await Harness.open();
    await harness.send(method(1, 0x32_000a, u16(0), short('mine'), u8(0b0100), table()));
    harness.connection.socketClosed();
    await harness.settle();
    expect(harness.broker.topic('mine')).toBeUndefined();
    expect(harness.door.counters).toMatchObject({ connections: 0, channels: 0 });
  });

  it('tells everybody when the node stops', async () => {
    const harness = await Harness.open();
    const early = new Harness({ door: harness.door, broker: harness.broker }, harness.clock);
    harness.door.goAway('the node stops');
    await harness.settle();
    const [close] = harness.take();
    const read = new Arguments(close!);
    expect([read.u16(), read.short()]).toEqual([320, 'CONNECTION_FORCED - the node stops']);
    expect(early.socket.isEnded).toBe(true);
    await harness.send(method(0, 0x0a_0033));
    expect(harness.socket.isEnded).toBe(true);
    let isGone = false;
    const gone = harness.door.closed().then(() => {
      isGone = true;
    });
    early.connection.socketClosed();
    await harness.settle();
    expect(isGone).toBe(false);
    harness.connection.socketClosed();
    await gone;
  });

  it('sends heartbeats, and cuts off who is silent for two intervals', async () => {
    const harness = await Harness.open({ heartbeat: 10 });
    await harness.clock.advanceAsync(11_000);
    expect(harness.take().map(({ type }) => type)).toContain(8);
    await harness.send(frame(8, 0, new Uint8Array(0)));
    await harness.clock.advanceAsync(19_000);
    expect(harness.socket.isDestroyed).toBe(false);
    await harness.clock.advanceAsync(6000);
    expect(harness.socket.isDestroyed).toBe(true);
    expect(harness.door.counters.connections).toBe(0);
  });

  it('cuts off who is not read because it does not read, unless it takes something now and then', async () => {
    const limits = { backlogMarkBytes: 100, backlogStopBytes: 400 };
    const ask = method(1, 0x3c_000a, u32(0), u16(1), u8(0));
    const mute = await Harness.open({ heartbeat: 10, limits });
    const slow = await Harness.open({ heartbeat: 10, limits });
    for (const harness of [mute, slow]) {
      harness.socket.isReading = false;
      for (let count = 0; count < 60; count++) await harness.send(ask);
      expect(harness.socket.isPaused).toBe(true);
    }
    for (let second = 0; second < 31; second++) {
      slow.socket.backlog -= 5;
      await slow.clock.advanceAsync(1000);
      await mute.clock.advanceAsync(1000);
    }
    expect([mute.socket.isDestroyed, slow.socket.isDestroyed]).toEqual([true, false]);
  });

  it('changes a secret', async () => {
    const harness = await Harness.open();
    const secret = (text: string) =>
      method(0, 0x0a_0046, joined([u32(text.length), new TextEncoder().encode(text)]), short('rotation'));
    await harness.send(secret('guest'));
    expect(harness.methods()).toEqual([0x0a_0047]);
    expect(await harness.refused(secret('wrong'))).toMatchObject({ scope: 'connection', code: 530 });
  });

  it('does not read publishers during an alarm, and tells them', async () => {
    const publisher = await Harness.open();
    const consumer = await publisher.another();
    publisher.broker.addQueue('q');
    await consumer.send(method(1, 0x3c_0014, u16(0), short('q'), short('c'), u8(0b0010), table()));
    consumer.take();
    publisher.door.setBlocked('low on memory');
    await publisher.send(publish(1, 'one', { key: 'q' }));
    const blocked = publisher.take();
    expect(blocked.map(({ method: id }) => id)).toEqual([0x0a_003c]);
    expect(new Arguments(blocked[0]!).short()).toBe('low on memory');
    expect(publisher.socket.isPaused).toBe(true);
    expect(consumer.methods()).toEqual([0x3c_003c]);
    expect(consumer.socket.isPaused).toBe(false);
    publisher.door.setBlocked(undefined);
    await publisher.settle();
    expect(publisher.methods()).toEqual([0x0a_003d]);
    expect(publisher.socket.isPaused).toBe(false);
  });

  it('does not read publishers while the broker does not accept', async () => {
    const harness = await Harness.open();
    harness.broker.accepting = false;
    await harness.send(publish(1, 'one', { key: 'q' }));
    expect(harness.socket.isPaused).toBe(true);
    harness.broker.accepting = true;
    await harness.clock.advanceAsync(5);
    expect(harness.socket.isPaused).toBe(false);
  });

  it('stops reading who does not read its answers', async () => {
    const harness = await Harness.open({ limits: { backlogMarkBytes: 100, backlogStopBytes: 400 } });
    harness.socket.isReading = false;
    const ask = method(1, 0x3c_000a, u32(0), u16(1), u8(0));
    for (let count = 0; count < 60; count++) await harness.send(ask);
    expect(harness.socket.isPaused).toBe(true);
    await harness.drain();
    expect(harness.socket.isPaused).toBe(false);
  });

  it('stops reading while commands wait for a change', async () => {
    const harness = await Harness.open({ limits: { waitingMarkBytes: 100 } });
    harness.broker.addQueue('q');
    harness.broker.holdChanges = true;
    const declare = method(1, 0x32_000a, u16(0), short('other'), u8(0), table());
    await harness.send(
      declare,
      ...Array.from({ length: 5 }, (_, index) => publish(1, `message ${index}`, { key: 'q' })),
    );
    expect(harness.socket.isPaused).toBe(true);
    expect(harness.broker.published).toEqual([]);
    harness.broker.releaseChanges();
    await harness.settle();
    expect(harness.broker.published.length).toBe(5);
    expect(harness.socket.isPaused).toBe(false);
  });

  it('needs nothing but the frames, in whatever order bytes of the handshake come together', async () => {
    const harness = new Harness();
    await harness.send(handshake(), openChannel(1));
    expect(harness.methods()).toEqual([0x0a_000a, 0x0a_001e, 0x0a_0029, 0x14_000b]);
  });
});
