"""Work queue: tasks are shared among workers, and a task whose worker fails goes to another."""
import os

import pika

url = pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f"))
connection = pika.BlockingConnection(url)
channel = connection.channel()
# A durable queue with persistent messages survives a restart of the broker.
channel.queue_declare("example.tasks", durable=True)
for number in range(10):
    channel.basic_publish("", "example.tasks", str(number).encode(), pika.BasicProperties(delivery_mode=2))

# This worker takes one task and goes away without acknowledging it: the broker gives it to the next one.
failing = pika.BlockingConnection(url)
method, _, lost = failing.channel().basic_get("example.tasks")
assert method is not None
failing.close()

done = []
redelivered = []


def work(channel, method, properties, body):
    done.append(body)
    if method.redelivered:
        redelivered.append(body)
    channel.basic_ack(method.delivery_tag)
    if len(done) == 10:
        channel.stop_consuming()


# At most one task at a time that is not acknowledged: a slow worker does not hoard what others could do.
channel.basic_qos(prefetch_count=1)
channel.basic_consume("example.tasks", work)
channel.start_consuming()
assert sorted(done) == [str(number).encode() for number in range(10)], done
assert redelivered == [lost], redelivered
print("10 tasks done, one of them after its first worker had gone")

channel.queue_delete("example.tasks")
connection.close()
