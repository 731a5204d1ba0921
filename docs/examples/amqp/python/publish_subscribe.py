"""Publish/subscribe: every subscriber gets every message."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()
channel.exchange_declare("example.news", exchange_type="fanout")

# Each subscriber has a queue of its own; the broker names it, and removes it with the connection.
queues = []
for _ in range(2):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "example.news")
    queues.append(queue)

channel.basic_publish("example.news", routing_key="", body=b"It works")

for queue in queues:
    _, _, body = channel.basic_get(queue, auto_ack=True)
    assert body == b"It works", body
print("both subscribers have the news")

channel.exchange_delete("example.news")
connection.close()
