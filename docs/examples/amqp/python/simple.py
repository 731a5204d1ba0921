"""Simple: one program sends a message to a queue, another takes it out."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()
channel.queue_declare("example.simple")

# The default exchange, whose name is empty, sends a message to the queue named by the routing key.
channel.basic_publish(exchange="", routing_key="example.simple", body=b"Hello")

method, properties, body = channel.basic_get("example.simple", auto_ack=True)
assert body == b"Hello", body
print("received", body.decode())

channel.queue_delete("example.simple")
connection.close()
