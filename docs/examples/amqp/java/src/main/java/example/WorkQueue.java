package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.MessageProperties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Work queue: tasks are shared among workers, and a task whose worker fails goes to another. */
public final class WorkQueue {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      // A durable queue with persistent messages survives a restart of the broker.
      channel.queueDeclare("example.tasks", true, false, false, null);
      for (int number = 0; number < 10; number++) {
        channel.basicPublish("", "example.tasks", MessageProperties.PERSISTENT_BASIC, String.valueOf(number).getBytes());
      }

      // This worker takes one task and goes away without acknowledging it: the broker gives it to the next one.
      Connection failing = Example.connect();
      String lost = new String(failing.createChannel().basicGet("example.tasks", false).getBody());
      failing.close();

      Set<String> done = ConcurrentHashMap.newKeySet();
      Set<String> redelivered = ConcurrentHashMap.newKeySet();
      CountDownLatch all = new CountDownLatch(10);
      for (int worker = 0; worker < 2; worker++) {
        Channel own = connection.createChannel();
        // At most one task at a time that is not acknowledged: a slow worker does not hoard what others could do.
        own.basicQos(1);
        own.basicConsume("example.tasks", false, (tag, task) -> {
          String text = new String(task.getBody());
          done.add(text);
          if (task.getEnvelope().isRedeliver()) redelivered.add(text);
          own.basicAck(task.getEnvelope().getDeliveryTag(), false);
          all.countDown();
        }, tag -> {});
      }
      Example.equal(all.await(10, TimeUnit.SECONDS), true);
      Example.equal(done.size(), 10);
      Example.equal(redelivered, Set.of(lost));
      System.out.println("10 tasks done by two workers, one of them after its first worker had gone");
      channel.queueDelete("example.tasks");
    }
  }
}
