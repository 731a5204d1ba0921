import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningBroker } from './broker.js';
import { freePort, newFolder, stopProcess, untilListening } from './processes.js';

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const START_MS = 90_000;

/**
 * Starts the RabbitMQ of the Debian package under this user, with no plugins, reachable from this machine only.
 * @throws when it is not installed or does not come up.
 */
export async function startRabbitMq(): Promise<RunningBroker> {
  if (!existsSync(SERVER)) {
    throw new Error('RabbitMQ is not installed: apt-get install -y --no-install-recommends rabbitmq-server');
  }
  const folder = await newFolder('rabbitmq');
  const [amqpPort, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, 'rabbitmq.conf');
  await mkdir(join(folder, 'mnesia'));
  await writeFile(
    config,
    `listeners.tcp.1 = 127.0.0.1:${amqpPort}\nloopback_users.guest = true\ndisk_free_limit.absolute = 200MB\nlog.console = false\n`,
  );
  await writeFile(join(folder, 'enabled_plugins'), '[].\n');
  const child = spawn(SERVER, [], {
    stdio: 'ignore',
    // A group of its own: an interrupt is for the program that started it, which stops it in good order.
    detached: true,
    env: {
      ...process.env,
      HOME: folder,
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_CONFIG_FILE: config,
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
      RABBITMQ_NODENAME: `duolog${amqpPort}@localhost`,
      RABBITMQ_DIST_PORT: String(distributionPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(epmdPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      // Makes the script's process the broker itself.
      RUNNING_UNDER_SYSTEMD: '1',
    },
  });
  const stop = async () => {
    await stopProcess(child, folder);
    // The port mapper was started by the broker and outlives it.
    spawnSync('epmd', ['-port', String(epmdPort), '-kill'], { stdio: 'ignore' });
  };
  try {
    await untilListening(child, amqpPort, START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: 'rabbitmq',
    host: '127.0.0.1',
    amqpPort,
    webPort: undefined,
    pagePort: undefined,
    complaints: () => [],
    stop,
  };
}
