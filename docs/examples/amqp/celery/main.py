"""Starts a worker, has it run tasks and waits for their results."""
import os
import subprocess
import sys

from celery import group

from tasks import add, app, fails_once

folder = os.path.dirname(os.path.abspath(__file__))
worker = subprocess.Popen(
    [sys.executable, "-B", "-m", "celery", "-A", "tasks", "worker", "--pool=threads", "--concurrency=2", "--loglevel=ERROR"],
    cwd=folder,
)
try:
    assert add.delay(2, 3).get(timeout=30) == 5
    sums = group(add.s(number, number) for number in range(10))().get(timeout=30)
    assert sums == [2 * number for number in range(10)], sums
    assert fails_once.delay().get(timeout=30) == "done after 1 retry"
    # The remote control of workers goes over exchanges and queues of its own.
    assert app.control.ping(timeout=2), "the worker does not answer"
finally:
    worker.terminate()
    worker.wait(timeout=20)
with app.connection_for_write() as connection:
    connection.default_channel.queue_delete("example.celery")
print("tasks ran: a sum, ten in a group, and one that was retried")
