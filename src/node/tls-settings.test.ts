import { describe, expect, test } from 'vitest';
import { checkSettings, loadConfig, type NodeSettings } from './config.js';
import { certificateLoginRule, tlsFilesOf } from './tls-settings.js';

const pair: NodeSettings = { tlsCert: ['a.pem'], tlsKey: ['a.key'] };
const filesOf = (settings: NodeSettings) => tlsFilesOf(checkSettings(settings));

describe('ports', () => {
  test('AMQPS opens with certificates, and where any port is wanted every door takes any', () => {
    expect(checkSettings({})).toMatchObject({ amqpPort: 5672, amqpsPort: 'off', managementPort: 15_672 });
    expect(checkSettings(pair)).toMatchObject({ amqpPort: 5672, amqpsPort: 5671, managementPort: 15_672 });
    expect(checkSettings({ ...pair, port: 0 })).toMatchObject({ amqpPort: 0, amqpsPort: 0, managementPort: 0 });
    expect(checkSettings({ ...pair, port: 9000, amqpPort: 0 })).toMatchObject({ amqpsPort: 0, managementPort: 0 });
    expect(checkSettings({ ...pair, amqpPort: 'off' })).toMatchObject({ amqpPort: 'off', amqpsPort: 5671 });
    expect(checkSettings({ port: 'off' })).toMatchObject({ managementPort: 'off' });
    expect(checkSettings({ ...pair, amqpsPort: 'off' }).amqpsPort).toBe('off');
  });
});

describe('files', () => {
  test('several pairs come from repeated flags, a list of the file, or commas', () => {
    const expected = [
      { certFile: 'a.pem', keyFile: 'a.key' },
      { certFile: 'b.pem', keyFile: 'b.key' },
    ];
    expect(filesOf({ tlsCert: ['a.pem', 'b.pem'], tlsKey: ['a.key', 'b.key'] })?.certificates).toEqual(expected);
    const environment = { DUOLOG_TLS_CERT: 'a.pem,b.pem', DUOLOG_TLS_KEY: 'a.key,b.key' };
    expect(tlsFilesOf(loadConfig({ environment }))?.certificates).toEqual(expected);
    expect(filesOf({})).toBeUndefined();
  });

  test('who names authorities wants certificates of clients, unless something else is said', () => {
    expect(filesOf(pair)).toMatchObject({ verify: 'none', caFile: undefined });
    expect(filesOf({ ...pair, tlsCa: 'ca.pem' })).toMatchObject({ verify: 'required', caFile: 'ca.pem' });
    expect(filesOf({ ...pair, tlsCa: 'ca.pem', tlsVerify: 'optional' })).toMatchObject({ verify: 'optional' });
    expect(filesOf({ ...pair, tlsCa: 'ca.pem', tlsVerify: 'none' })).toMatchObject({ verify: 'none' });
  });

  test.each<[NodeSettings, string]>([
    [{ tlsCert: ['a.pem'] }, '--tls-cert names 1 files and --tls-key 0'],
    [{ tlsKey: ['a.key'] }, '--tls-cert names 0 files and --tls-key 1'],
    [{ tlsCa: 'ca.pem', tlsVerify: 'none' }, '--tls-ca is for a node with --tls-cert'],
    [{ tlsVerify: 'required' }, '--tls-verify is "required", but there is no --tls-cert'],
    [{ ...pair, tlsVerify: 'optional' }, 'there is no --tls-ca to verify with'],
    [{ amqpsPort: 5671 }, '--amqps-port is 5671, but there is no --tls-cert'],
    [{ ...pair, tlsCa: 'ca.pem', wsEngine: 'uws' }, '--ws-engine is "uws", but uWebSockets.js does not tell whose'],
    [{ tlsCert: ['a', 'b'], tlsKey: ['a', 'b'], wsEngine: 'uws' }, 'but uWebSockets.js cannot serve all names'],
    [{ tlsCert: Array(65).fill('a'), tlsKey: Array(65).fill('a') }, '64 is the limit'],
  ])('refuses %j', (settings, text) => {
    expect(() => filesOf(settings)).toThrow(text);
  });

  test('user names come from the distinguished name unless told otherwise', () => {
    const rule = { from: 'distinguished_name', alternativeNameType: 'dns', alternativeNameIndex: 0 };
    expect(certificateLoginRule(checkSettings({}))).toEqual(rule);
  });
});
