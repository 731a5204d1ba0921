// Holds messages of a queue without acknowledging them while a command runs: hold.mjs QUEUE COUNT COMMAND...
import { spawnSync } from 'node:child_process';
import { connect } from 'amqplib';
import { AMQP_URL, until } from './places.mjs';

const [queue, count, command, ...words] = process.argv.slice(2);
const connection = await connect(AMQP_URL, { clientProperties: { connection_name: 'tour' } });
const channel = await connection.createChannel();
await channel.prefetch(Number(count));
let held = 0;
await channel.consume(
  queue,
  () => {
    held += 1;
  },
  { consumerTag: 'slow-worker' },
);
await until(() => held === Number(count));
spawnSync(command, words, { stdio: 'inherit' });
await connection.close();
