"""Confirms: the broker says which messages it has taken, and returns those that no queue wanted."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()
channel.queue_declare("example.confirmed", durable=True)
channel.confirm_delivery()

# In this mode basic_publish waits until the broker has the message; a persistent one is on disk then.
for number in range(20):
    channel.basic_publish("", "example.confirmed", str(number).encode(), pika.BasicProperties(delivery_mode=2))
depth = channel.queue_declare("example.confirmed", passive=True).method.message_count
assert depth == 20, depth

try:
    channel.basic_publish("", "example.nowhere", b"lost", mandatory=True)
    raise AssertionError("a message for no queue was not returned")
except pika.exceptions.UnroutableError as error:
    assert error.messages[0].body == b"lost"
print("20 messages confirmed, the one for nobody came back")

channel.queue_delete("example.confirmed")
connection.close()
