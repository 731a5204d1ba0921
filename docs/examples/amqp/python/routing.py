"""Routing: a subscriber gets only the kinds of messages that it asked for."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()
channel.exchange_declare("example.logs", exchange_type="direct")

errors = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(errors, "example.logs", routing_key="error")
everything = channel.queue_declare("", exclusive=True).method.queue
for severity in ("info", "warning", "error"):
    channel.queue_bind(everything, "example.logs", routing_key=severity)

for severity in ("info", "error", "warning"):
    channel.basic_publish("example.logs", routing_key=severity, body=severity.encode())


def received(queue):
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


assert received(errors) == [b"error"]
assert received(everything) == [b"info", b"error", b"warning"]
print("one queue has the errors, the other has all")

channel.exchange_delete("example.logs")
connection.close()
