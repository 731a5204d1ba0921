"""Topics: routing keys are words between dots; a pattern has * for one word and # for any number of them."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()
channel.exchange_declare("example.animals", exchange_type="topic")

expected = {
    "*.orange.*": [b"quick.orange.rabbit", b"lazy.orange.elephant"],
    "*.*.rabbit": [b"quick.orange.rabbit", b"lazy.pink.rabbit"],
    "lazy.#": [b"lazy.orange.elephant", b"lazy.pink.rabbit", b"lazy"],
}
queues = {}
for pattern in expected:
    queues[pattern] = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queues[pattern], "example.animals", routing_key=pattern)

for key in ("quick.orange.rabbit", "lazy.orange.elephant", "lazy.pink.rabbit", "lazy", "quick.brown.fox"):
    channel.basic_publish("example.animals", routing_key=key, body=key.encode())

for pattern, bodies in expected.items():
    found = []
    while (message := channel.basic_get(queues[pattern], auto_ack=True))[0] is not None:
        found.append(message[2])
    assert found == bodies, (pattern, found)
print("each pattern matched what it should")

channel.exchange_delete("example.animals")
connection.close()
