/** What is common to all operations: statuses, headers, paths, origins, sizes. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi } from './api.js';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.node.remove());

describe('the API', () => {
  it('answers what is not there, and methods that are not', async () => {
    expect((await api.ask('GET', '/nothing')).body).toEqual({ error: 'Object Not Found', reason: 'Not Found' });
    expect((await api.ask('PUT', '/queues/nowhere/q', {})).body).toEqual({
      error: 'not_found',
      reason: 'vhost_not_found',
    });
    const { status, headers } = await api.ask('PATCH', '/queues');
    expect([status, headers.get('allow')]).toEqual([405, 'HEAD, GET, OPTIONS']);
    expect((await api.ask('OPTIONS', '/queues', undefined, { user: undefined })).status).toBe(200);
    expect(await api.status('GET', '/queues/%2F/%E0%A4%A')).toBe(400);
  });

  it('asks for credentials', async () => {
    const { status, headers, body } = await api.ask('GET', '/overview', undefined, { user: undefined });
    expect([status, headers.get('www-authenticate'), body.reason]).toEqual([
      401,
      'Basic realm="RabbitMQ Management"',
      'Login failed',
    ]);
    for (const authorization of [
      'Basic',
      'Basic !!!',
      'Basic Z3Vlc3Q=',
      'Digest x',
      'Bearer abc',
      'x'.repeat(20_000),
    ]) {
      const answer = await api.ask('GET', '/overview', undefined, { user: undefined, headers: { authorization } });
      // The listener itself ends requests whose headers are too long.
      expect([401, 431]).toContain(answer.status);
    }
  });

  it('is not for pages from elsewhere, is kept by nobody, and is shown in no frame', async () => {
    const origin = 'http://evil.example';
    const { status, body, headers } = await api.ask('GET', '/overview', undefined, { headers: { origin } });
    expect([status, body.error, headers.get('access-control-allow-origin')]).toEqual([403, 'forbidden', null]);
    const own = `http://127.0.0.1:${api.node.running.port}`;
    const answer = await api.ask('GET', '/overview', undefined, { headers: { origin: own } });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
    });
  });

  it('takes no bodies that are too long', async () => {
    const payload = 'x'.repeat(2 * 1024 * 1024);
    const message = { routing_key: 'q', properties: {}, payload, payload_encoding: 'string' };
    expect(await api.status('POST', '/exchanges/%2F/amq.default/publish', message)).toBe(400);
    expect(await claimBody(api.node.running.port ?? 0, '4294967296')).toMatch(/^HTTP\/1.1 (400|413|401)/);
    expect(await api.status('GET', '/overview')).toBe(200);
  });

  it('tells no passwords', async () => {
    await api.ask('PUT', '/users/secretive', { password: 'do not tell this', tags: 'management' });
    const texts = await Promise.all(
      ['/users', '/users/secretive', '/overview', '/definitions'].map(async (path) =>
        JSON.stringify(await api.get(path)),
      ),
    );
    for (const text of texts) expect(text).not.toContain('do not tell this');
    for (const text of texts.slice(0, 3)) expect(text).not.toContain('SCRAM');
  });

  it('carries the names of RabbitMQ in the metrics, a fixed number of them', async () => {
    const scrape = async () => (await fetch(`http://127.0.0.1:${api.node.running.port}/metrics`)).text();
    const seriesOf = (text: string) => text.split('\n').filter((line) => line.startsWith('rabbitmq_'));
    const before = seriesOf(await scrape());
    for (let index = 0; index < 20; index++) await api.ask('PUT', `/queues/%2F/metric-${index}`, { durable: true });
    const after = seriesOf(await scrape());
    expect(after.length).toBe(before.length);
    expect(after.find((line) => line.startsWith('rabbitmq_queues '))).toBe('rabbitmq_queues 20');
    for (const name of [
      'rabbitmq_identity_info{',
      'rabbitmq_build_info{',
      'rabbitmq_global_messages_received_total{',
    ]) {
      expect(after.filter((line) => line.startsWith(name))).toHaveLength(1);
    }
  });
});

/** Announces a body of this length, sends none of it, and returns the beginning of the answer. */
function claimBody(port: number, length: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      const authorization = `Basic ${Buffer.from('guest:guest').toString('base64')}`;
      socket.write(
        `POST /api/definitions HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: ${length}\r\n\r\n`,
      );
    });
    socket.setTimeout(5_000, () => reject(new Error('no answer')));
    socket.once('data', (data) => {
      resolve(data.toString('latin1'));
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve('HTTP/1.1 413 cut off'));
  });
}
