// RabbitMQ of the Debian package, in a folder and on ports of its own, reachable from this machine only.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { adopt, makeFolder, removeFolder } from '../harness/cleanup.mjs';
import { nowMs, sleep } from '../harness/measures.mjs';

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 30_000;

/** Installs RabbitMQ with apt-get unless it is there; that needs root. */
export function installRabbitMq() {
  if (existsSync(SERVER)) return;
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'rabbitmq-server'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // Installing must not start the system's own broker on the usual port.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
}

/** The version of the package. */
export function rabbitMqVersion() {
  // It prints the package's name, a tab, and the version.
  const result = spawnSync('dpkg-query', ['-W', 'rabbitmq-server'], { encoding: 'utf8' });
  return result.stdout?.trim().split('\t')[1] ?? 'unknown version';
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    setTimeout(() => socket.end(), 100).unref();
  });

async function untilAnswering(child, port) {
  const limitMs = nowMs() + START_LIMIT_MS;
  while (nowMs() < limitMs) {
    if (child.exitCode !== null) throw new Error(`RabbitMQ did not start (${child.exitCode})`);
    if (await answers(port)) return;
    await sleep(100);
  }
  throw new Error(`RabbitMQ was not ready after ${START_LIMIT_MS} ms`);
}

function writeConfiguration(folder, port) {
  const config = join(folder, 'rabbitmq.conf');
  writeFileSync(
    config,
    `listeners.tcp.1 = 127.0.0.1:${port}\nloopback_users.guest = true\ndisk_free_limit.absolute = 200MB\nlog.console = false\n`,
  );
  writeFileSync(join(folder, 'enabled_plugins'), '[].\n');
  mkdirSync(join(folder, 'mnesia'));
  return config;
}

function environment(folder, config, port, distributionPort, epmdPort) {
  return {
    ...process.env,
    HOME: folder,
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_NODENAME: `compare${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // Makes the script's process the broker itself, whose CPU time is then easy to read.
    RUNNING_UNDER_SYSTEMD: '1',
  };
}

/** Starts RabbitMQ with its defaults and no plugins. */
export async function startRabbitMq() {
  const folder = makeFolder('rabbitmq');
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  const config = writeConfiguration(folder, port);
  const child = adopt(
    spawn(SERVER, [], { stdio: 'ignore', env: environment(folder, config, port, distributionPort, epmdPort) }),
  );
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await gone;
      clearTimeout(timer);
    }
    // The port mapper was started by the broker and outlives it.
    spawnSync('epmd', ['-port', String(epmdPort), '-kill'], { stdio: 'ignore' });
    removeFolder(folder);
  };
  try {
    await untilAnswering(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, amqpPort: port, stop };
}
