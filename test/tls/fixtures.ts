/** Nodes with certificates, and clients that believe them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
// Worker threads are started from dist, so the whole node is taken from there.
import { type NodeSettings, type RunningNode, startNode } from '../../dist/node/index.js';
import type { NodeLog } from '../../dist/node/log.js';
import { CertificateFolder, type Pair, TestAuthority } from '../../src/io/tls/fixtures/certificates.js';

/** A node whose certificate is `node.pem` of its folder, signed by its authority. */
export interface TlsNode {
  readonly node: RunningNode;
  readonly authority: TestAuthority;
  readonly certificates: CertificateFolder;
  /** What it has logged, from warnings up and of certificates. */
  readonly log: string[];
  remove(): Promise<void>;
}

/** Starts one of two shards on free ports. */
export async function startTlsNode(settings: NodeSettings = {}): Promise<TlsNode> {
  const authority = await TestAuthority.create();
  const certificates = new CertificateFolder();
  const { certFile, keyFile } = certificates.write('node', await authority.sign({ subject: 'CN=before' }));
  const tlsCa = certificates.text('ca.pem', authority.cert);
  const data = mkdtempSync(join(tmpdir(), 'duolog-tls-node-'));
  const log: string[] = [];
  const node = await startNode(
    {
      data,
      port: 0,
      shards: 2,
      journalSize: '8MiB',
      tlsCert: [certFile],
      tlsKey: [keyFile],
      ...(settings.tlsVerify === undefined ? {} : { tlsCa }),
      ...settings,
    },
    { log: recordingLog(log) },
  );
  const remove = async (): Promise<void> => {
    await node.stop();
    rmSync(data, { recursive: true, force: true });
    certificates.remove();
  };
  return { node, authority, certificates, log, remove };
}

function recordingLog(lines: string[]): NodeLog {
  const note = (_fields: object, message?: string): void => void lines.push(message ?? '');
  const silent = (): void => undefined;
  return { debug: silent, info: note, warn: note, error: note, fatal: note };
}

/** The common name of the certificate that a port shows. */
export function shownBy(port: number, authority: TestAuthority): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost' }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** A GET over HTTPS: status and body. */
export function get(port: number, path: string, ca: string, client: Partial<Pair> = {}): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, ca, ...client, agent: false };
    const asked = request(options, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () => resolve([response.statusCode ?? 0, body]));
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Waits until something holds; the test's own time-out is the limit. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The same; undefined when the connection was reset: uWebSockets.js opens another listener for new certificates (docs/security.md). */
export async function shownUnlessReset(port: number, authority: TestAuthority): Promise<string | undefined> {
  try {
    return await shownBy(port, authority);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return undefined;
    throw error;
  }
}
