"""RPC: a request says where the answer goes, and carries an id by which the answer is known."""
import os
import threading
import uuid

import pika

url = pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f"))


def serve(ready):
    connection = pika.BlockingConnection(url)
    channel = connection.channel()
    channel.queue_declare("example.rpc")
    ready.set()
    # consume() is a generator; this server stops after two requests.
    for served, (method, properties, body) in enumerate(channel.consume("example.rpc"), start=1):
        answer = str(int(body) ** 2).encode()
        channel.basic_publish("", properties.reply_to, answer, pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)
        if served == 2:
            break
    channel.queue_delete("example.rpc")
    connection.close()


ready = threading.Event()
server = threading.Thread(target=serve, args=(ready,))
server.start()
ready.wait()

connection = pika.BlockingConnection(url)
channel = connection.channel()
own_queue = channel.queue_declare("", exclusive=True).method.queue


def call(number, reply_to):
    correlation_id = str(uuid.uuid4())
    request = pika.BasicProperties(reply_to=reply_to, correlation_id=correlation_id)
    result = []

    def on_answer(channel, method, properties, body):
        if properties.correlation_id == correlation_id:
            result.append(int(body))

    # Direct reply-to needs no queue, but its consumer, without acknowledgements, before the request.
    tag = channel.basic_consume(reply_to, on_answer, auto_ack=True)
    channel.basic_publish("", "example.rpc", str(number).encode(), request)
    while not result:
        connection.process_data_events(time_limit=10)
    channel.basic_cancel(tag)
    return result[0]


assert call(7, own_queue) == 49
assert call(12, "amq.rabbitmq.reply-to") == 144
print("7 squared is 49, 12 squared is 144")
server.join()
connection.close()
