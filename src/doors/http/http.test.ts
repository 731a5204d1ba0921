import { describe, expect, it } from 'vitest';
import type { HttpRequest, HttpResponse } from '../../io/ws/port.js';
import { encodePrometheus, httpHandler, type NodeProbe } from './index.js';

function probe(changes: Partial<NodeProbe> = {}): NodeProbe {
  return {
    ready: () => ({ ready: true, reasons: [] }),
    health: () => ({ healthy: true, reasons: [] }),
    metrics: async () => 'up 1\n',
    ...changes,
  };
}

async function get(path: string, changes: Partial<NodeProbe> = {}, method = 'GET'): Promise<HttpResponse> {
  const request: HttpRequest = {
    method,
    path,
    query: '',
    remoteAddress: '127.0.0.1',
    header: () => '',
    body: async () => new Uint8Array(0),
    isAborted: false,
  };
  return await new Promise((resolve) =>
    httpHandler(probe(changes))(request, (response) => {
      resolve(response);
      return true;
    }),
  );
}

describe('the HTTP door', () => {
  it('answers health, readiness and metrics', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200 });
    expect(await get('/readyz', {}, 'HEAD')).toMatchObject({ status: 200 });
    expect(await get('/metrics')).toMatchObject({ status: 200, body: 'up 1\n' });
  });

  it('says why it is not ready or not healthy', async () => {
    const ready = () => ({ ready: false, reasons: ['shard 1 recovers', 'port 7700 is closed'] });
    expect(await get('/readyz', { ready })).toMatchObject({
      status: 503,
      body: 'shard 1 recovers\nport 7700 is closed\n',
    });
    const health = () => ({ healthy: false, reasons: ['log 7 is offline'] });
    expect(await get('/healthz', { health })).toMatchObject({ status: 503, body: 'log 7 is offline\n' });
  });

  it('answers 404, 405 and 500', async () => {
    expect(await get('/')).toMatchObject({ status: 404 });
    const refused = await get('/healthz', {}, 'POST');
    expect(refused.status).toBe(405);
    expect(refused.headers).toContainEqual(['allow', 'GET, HEAD']);
    const metrics = () => Promise.reject(new Error('no'));
    expect(await get('/metrics', { metrics })).toMatchObject({ status: 500 });
  });
});

describe('the Prometheus format', () => {
  it('writes counters, gauges and histograms, and escapes', () => {
    const text = encodePrometheus([
      { type: 'counter', name: 'a_total', help: 'Back\\slash and\nline.', samples: [{ value: 3 }] },
      {
        type: 'gauge',
        name: 'b',
        help: 'B.',
        samples: [{ labels: { topic: 'a"b\\c\nd', shard: 1 }, value: Number.NaN }],
      },
      { type: 'gauge', name: 'empty', help: 'None.', samples: [] },
      {
        type: 'histogram',
        name: 'h_seconds',
        help: 'H.',
        samples: [{ labels: { shard: 0 }, bounds: [0.1, 1], counts: [2, 3], count: 6, sum: 7.5 }],
      },
    ]);
    expect(text).toBe(
      [
        '# HELP a_total Back\\\\slash and\\nline.',
        '# TYPE a_total counter',
        'a_total 3',
        '# HELP b B.',
        '# TYPE b gauge',
        'b{topic="a\\"b\\\\c\\nd",shard="1"} NaN',
        '# HELP h_seconds H.',
        '# TYPE h_seconds histogram',
        'h_seconds_bucket{shard="0",le="0.1"} 2',
        'h_seconds_bucket{shard="0",le="1"} 5',
        'h_seconds_bucket{shard="0",le="+Inf"} 6',
        'h_seconds_sum{shard="0"} 7.5',
        'h_seconds_count{shard="0"} 6',
        '',
      ].join('\n'),
    );
    expect(encodePrometheus([])).toBe('');
  });
});
