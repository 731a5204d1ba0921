// What a node's TLS is like from outside, looked at with OpenSSL's command line on every port that speaks it: `npm run tls:check`.
// Prints one table per engine and kind of key, and fails when something is worse than docs/security.md says.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const START_MS = 30_000;
const CONNECT_MS = 5_000;
const KEYS = {
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
};
// Whoever may use what: TLS 1.2 with fresh keys and authenticated encryption.
const GOOD = /^ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)$/;
const WEAK_TOO = 'ALL:COMPLEMENTOFALL:@SECLEVEL=0';

const folder = mkdtempSync(join(tmpdir(), 'duolog-tls-check-'));
let failures = 0;

/** One handshake: what OpenSSL says of it. */
function handshake(port, words, input = '') {
  const { stdout, stderr } = spawnSync(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', ...words],
    { input, encoding: 'utf8', timeout: CONNECT_MS },
  );
  const text = `${stdout}\n${stderr}`;
  return { text, cipher: /^New, .*Cipher is (?!\(NONE\))(\S+)$/m.exec(text)?.[1] };
}

function ciphersOf(port) {
  const listed = execFileSync('openssl', ['ciphers', '-s', '-tls1_2', WEAK_TOO], { encoding: 'utf8' });
  const names = listed.trim().split(':');
  return names.filter((name) => {
    const words = ['-tls1_2', '-cipher', `${name}:@SECLEVEL=0`];
    return handshake(port, words).cipher === name;
  });
}

/** Asks for a new handshake on a connection; OpenSSL's client does so on a line with an R. */
async function renegotiates(port) {
  const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-servername', 'localhost'];
  const client = spawn('openssl', words, { stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  client.stdin.on('error', () => undefined);
  client.stdout.on('data', (bytes) => {
    const before = text;
    text += bytes;
    if (!before.includes('Verify return code') && text.includes('Verify return code')) client.stdin.write('R\n');
  });
  client.stderr.on('data', (bytes) => {
    text += bytes;
  });
  const timer = setTimeout(() => client.kill(), 2_000);
  await new Promise((resolve) => client.once('close', resolve));
  clearTimeout(timer);
  const after = text.slice(text.indexOf('RENEGOTIATING') + 1);
  if (!text.includes('RENEGOTIATING')) throw new Error(`OpenSSL did not ask to renegotiate:\n${text}`);
  // A second handshake shows the certificates again.
  return /depth=0|verify return/.test(after);
}

async function start(engine, key) {
  const data = join(folder, `${engine}-${key}`);
  const [cert, keyFile] = [join(folder, `${key}.pem`), join(folder, `${key}.key`)];
  if (!existsSync(cert)) {
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const words = ['req', '-x509', ...KEYS[key], '-nodes', '-days', '2', ...names, '-keyout', keyFile, '-out', cert];
    execFileSync('openssl', words, { stdio: 'pipe' });
  }
  const words = [
    'start',
    '--data',
    data,
    '--port',
    '0',
    '--shards',
    '2',
    '--ws-engine',
    engine,
    '--log-level',
    'error',
  ];
  const child = spawn(process.execPath, [cli, ...words, '--tls-cert', cert, '--tls-key', keyFile], {
    stdio: 'inherit',
  });
  const deadline = Date.now() + START_MS;
  while (!existsSync(join(data, 'node.json'))) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('The node did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  };
  return { ports: JSON.parse(readFileSync(join(data, 'node.json'), 'utf8')), stop };
}

function row(what, found, isGood) {
  if (!isGood) failures++;
  console.log(`  ${isGood ? 'ok ' : 'BAD'}  ${what.padEnd(28)} ${found}`);
}

function protocols(port) {
  const versions = { 'TLS 1.0': '-tls1', 'TLS 1.1': '-tls1_1', 'TLS 1.2': '-tls1_2', 'TLS 1.3': '-tls1_3' };
  return Object.entries(versions)
    .filter(([, flag]) => {
      const weak = flag === '-tls1_3' ? [] : ['-cipher', WEAK_TOO];
      return handshake(port, [flag, ...weak]).cipher !== undefined;
    })
    .map(([name]) => name);
}

async function checkPort(port, name) {
  console.log(` ${name}, port ${port}`);
  const spoken = protocols(port).join(', ');
  row('protocols', spoken, spoken === 'TLS 1.2, TLS 1.3');
  const ciphers = ciphersOf(port);
  row('ciphers of TLS 1.2', ciphers.join(' '), ciphers.length >= 3 && ciphers.every((cipher) => GOOD.test(cipher)));
  const modern = handshake(port, ['-tls1_3']);
  row('cipher of TLS 1.3', modern.cipher, /^TLS_/.test(modern.cipher ?? ''));
  row(
    'key exchange of TLS 1.3',
    /Server Temp Key: (.*)/.exec(modern.text)?.[1],
    /Server Temp Key: X25519/.test(modern.text),
  );
  const older = handshake(port, ['-tls1_2', '-comp']);
  row('compression', /Compression: (.*)/.exec(older.text)?.[1], /Compression: NONE/.test(older.text));
  const isSecure = /Secure Renegotiation IS supported/.test(older.text);
  row('renegotiation_info (RFC 5746)', isSecure ? 'yes' : 'no', isSecure);
  const renegotiated = await renegotiates(port);
  row('renegotiation by clients', renegotiated ? 'done' : 'refused', !renegotiated);
  row(
    'extended master secret',
    /Extended master secret: (.*)/.exec(older.text)?.[1],
    /Extended master secret: yes/.test(older.text),
  );
  const early = /Max Early Data: (\d+)/.exec(handshake(port, ['-tls1_3'], 'x\n').text)?.[1] ?? '0';
  row('early data (can be replayed)', early === '0' ? 'none' : early, early === '0');
}

try {
  console.log(execFileSync('openssl', ['version'], { encoding: 'utf8' }).trim());
  for (const engine of ['uws', 'ws']) {
    for (const key of Object.keys(KEYS)) {
      console.log(`\nengine ${engine}, ${key} key`);
      const { ports, stop } = await start(engine, key);
      await checkPort(ports.port, 'HTTPS and WSS');
      if (engine === 'ws') await checkPort(ports.amqpsPort, 'AMQPS');
      await stop();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? '\nEverything holds' : `\n${failures} checks failed`);
process.exitCode = failures === 0 ? 0 : 1;
