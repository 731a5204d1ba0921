import { describe, expect, it } from 'vitest';
import { type AccessVerdict, guestAccess } from '../../broker/access.js';
import type { HttpRequest, HttpResponse } from '../../io/ws/port.js';
import { endpoints } from './endpoints.js';
import { ManagementDoor } from './handler.js';
import * as limits from './limits.js';
import type { ManagementPorts } from './ports.js';

/** Whatever an operation asks of the node is a defect while nobody was let in. */
const UNTOUCHED: ProxyHandler<Partial<ManagementPorts>> = {
  get: (given, name) => {
    if (Object.hasOwn(given, name)) return Reflect.get(given, name) as unknown;
    throw new Error(`${String(name)} was asked for somebody who was not let in`);
  },
};

interface Setting {
  readonly authenticate?: ManagementPorts['access']['authenticate'];
}

function door({ authenticate }: Setting = {}): ManagementDoor {
  const access = guestAccess({ user: 'guest', password: 'guest', allowRemote: false });
  const given: Partial<ManagementPorts> = {
    access: authenticate === undefined ? access : { ...access, authenticate },
    settings: { allowedOrigins: ['https://console.example'], definitionsMaxBytes: 1024 },
    node: { name: 'n', version: '0' },
  };
  // Everything else must not be touched.
  return new ManagementDoor(new Proxy(given, UNTOUCHED) as ManagementPorts);
}

interface Asked {
  readonly response: HttpResponse;
  readonly bodies: number;
}

function ask(
  managed: ManagementDoor,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Promise<Uint8Array> = Promise.resolve(new Uint8Array(0)),
): Promise<Asked> {
  let bodies = 0;
  const request: HttpRequest = {
    method,
    path,
    query: '',
    remoteAddress: '127.0.0.1',
    header: (name) => headers[name] ?? '',
    body: () => {
      bodies++;
      return body;
    },
    isAborted: false,
  };
  return new Promise((resolve) => {
    managed.handle(request, (response) => {
      resolve({ response, bodies });
      return true;
    });
  });
}

const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const refused: AccessVerdict = { accepted: false, reason: 'no' };

describe('the management door', () => {
  const guarded = endpoints.filter(({ needs }) => needs !== 'nobody');

  it.each(guarded.map((one) => [`${one.method} ${one.path}`, one] as const))(
    'lets nobody in without good credentials: %s',
    async (_, { method, path }) => {
      const managed = door();
      const real = `/api${path.replace(/:\w+/g, 'x')}`;
      const bad = [
        {},
        basic('guest:wrong'),
        basic('guest'),
        basic(''),
        basic('nobody:guest'),
        { authorization: 'Bearer x.y.z' },
      ];
      for (const headers of bad) {
        const { response, bodies } = await ask(managed, method, real, headers);
        expect([response.status, bodies]).toEqual([401, 0]);
        expect(response.headers).toContainEqual(['www-authenticate', 'Basic realm="RabbitMQ Management"']);
      }
      const late = door({ authenticate: () => Promise.resolve(refused) });
      expect((await ask(late, method, real, basic('guest:guest'))).response.status).toBe(401);
      const broken = door({ authenticate: () => Promise.reject(new Error('no')) });
      expect((await ask(broken, method, real, basic('guest:guest'))).response.status).toBe(401);
    },
  );

  it('says for whom each operation is', () => {
    const open = endpoints.filter(({ needs }) => needs === 'nobody').map(({ path }) => path);
    expect(open).toEqual(['/auth']);
    const changes = endpoints.filter(({ method, needs }) => method !== 'GET' && needs === 'management');
    expect(changes).toEqual([]);
  });

  it('shares answers with pages of allowed origins, and refuses others before anything else', async () => {
    const managed = door();
    const allowed = { origin: 'https://console.example', host: 'node:15672' };
    const { response } = await ask(managed, 'OPTIONS', '/api/queues', allowed);
    expect(response.status).toBe(200);
    expect(response.headers).toContainEqual(['access-control-allow-origin', allowed.origin]);
    expect(response.headers).toContainEqual(['access-control-allow-methods', 'HEAD, GET, OPTIONS']);
    const elsewhere = await ask(managed, 'GET', '/api/auth', { ...allowed, origin: 'https://evil.example' });
    expect(elsewhere.response.status).toBe(403);
    expect(elsewhere.response.headers?.map(([name]) => name)).not.toContain('access-control-allow-origin');
  });

  it('reads no more bodies at a time than there is room for, and none that says it is too long', async () => {
    const managed = door();
    const never = new Promise<Uint8Array>(() => {});
    const put = (length: number) =>
      ask(managed, 'PUT', '/api/users/x', { ...basic('guest:guest'), 'content-length': String(length) }, never);
    const long = await put(limits.BODY_MAX_BYTES + 1);
    expect([long.response.status, long.bodies]).toEqual([400, 0]);
    const most = Math.floor(limits.BODIES_MAX_BYTES / limits.BODY_MAX_BYTES);
    for (let index = 0; index < most; index++) void put(limits.BODY_MAX_BYTES);
    const full = await put(limits.BODY_MAX_BYTES);
    expect([full.response.status, full.bodies]).toEqual([503, 0]);
  });
});
