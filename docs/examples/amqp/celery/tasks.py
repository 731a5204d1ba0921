"""Celery: tasks with results, over AMQP alone."""
import os

from celery import Celery

url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672//")
app = Celery("example", broker=url, backend="rpc://")
app.conf.update(task_default_queue="example.celery", result_expires=60, broker_connection_retry_on_startup=True)


@app.task
def add(left, right):
    return left + right


@app.task(bind=True, max_retries=2, default_retry_delay=0.2)
def fails_once(self):
    # A retry is a message with a time before which the worker does not run it.
    if self.request.retries == 0:
        raise self.retry()
    return f"done after {self.request.retries} retry"
