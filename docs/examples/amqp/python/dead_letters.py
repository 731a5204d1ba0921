"""Dead letters: what fails waits a while and is tried again; what fails three times is put aside."""
import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")))
channel = connection.channel()

# example.work --rejected--> example.retry --after 200 ms--> example.work; what has failed for good goes to example.failed.
channel.queue_declare(
    "example.work",
    durable=True,
    arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "example.retry"},
)
channel.queue_declare(
    "example.retry",
    durable=True,
    arguments={"x-message-ttl": 200, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "example.work"},
)
channel.queue_declare("example.failed", durable=True)
channel.basic_publish("", "example.work", b"task", pika.BasicProperties(delivery_mode=2))

attempts = 0
for method, properties, body in channel.consume("example.work", inactivity_timeout=10):
    assert method is not None, "the task did not come back"
    attempts += 1
    # The broker writes into x-death how often the message was dead-lettered from which queue, and why.
    deaths = (properties.headers or {}).get("x-death", [])
    rejections = sum(death["count"] for death in deaths if death["queue"] == "example.work" and death["reason"] == "rejected")
    assert rejections == attempts - 1, deaths
    if rejections == 2:
        channel.basic_publish("", "example.failed", body, properties)
        channel.basic_ack(method.delivery_tag)
        break
    channel.basic_reject(method.delivery_tag, requeue=False)
channel.cancel()

_, properties, body = channel.basic_get("example.failed", auto_ack=True)
assert body == b"task" and properties.headers["x-first-death-queue"] == "example.work"
print(f"the task was tried {attempts} times and then put aside")

for queue in ("example.work", "example.retry", "example.failed"):
    channel.queue_delete(queue)
connection.close()
