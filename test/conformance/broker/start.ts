import type { BrokerName, RunningBroker } from './broker.js';
import { startDuolog } from './duolog.js';
import { startRabbitMq } from './rabbitmq.js';

/** How a broker is to be started. */
export interface BrokerOptions {
  /** Take the broker that listens on this port already, instead of a new one. */
  readonly runningPort?: number | undefined;
  /** Shards of a Duolog node; its own default if not given. */
  readonly shards?: number | undefined;
  /** Where the management API is to be; any free port if not given. RabbitMQ is started without one. */
  readonly managementPort?: number | undefined;
}

/** Starts a broker on free ports of 127.0.0.1 with folders of its own, which are removed when it stops. */
export async function startBroker(name: BrokerName, options: BrokerOptions = {}): Promise<RunningBroker> {
  if (options.runningPort !== undefined) return running(name, options.runningPort);
  const broker =
    name === 'rabbitmq' ? await startRabbitMq() : await startDuolog(options.shards, options.managementPort);
  if (started.length === 0) stopOnSignals();
  started.push(broker);
  return broker;
}

const started: RunningBroker[] = [];

/** Whoever interrupts the program leaves no broker behind. */
function stopOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void Promise.allSettled(started.map((broker) => broker.stop())).then(() => process.exit(130));
    });
  }
}

function running(name: BrokerName, amqpPort: number): RunningBroker {
  const nothing = () => Promise.resolve();
  return {
    name,
    host: '127.0.0.1',
    amqpPort,
    webPort: undefined,
    pagePort: undefined,
    complaints: () => [],
    stop: nothing,
  };
}
