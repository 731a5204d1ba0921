package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Dead letters: what fails waits a while and is tried again; what fails three times is put aside. */
public final class DeadLetters {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();

      // example.work --rejected--> example.retry --after 200 ms--> example.work; what has failed for good goes to example.failed.
      channel.queueDeclare("example.work", true, false, false,
          Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", "example.retry"));
      channel.queueDeclare("example.retry", true, false, false,
          Map.of("x-message-ttl", 200, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "example.work"));
      channel.queueDeclare("example.failed", true, false, false, null);
      Example.send(channel, "", "example.work", "task");

      BlockingQueue<Delivery> tasks = new LinkedBlockingQueue<>();
      channel.basicConsume("example.work", false, (tag, task) -> tasks.add(task), tag -> {});
      int attempts = 0;
      while (true) {
        Delivery task = tasks.poll(10, TimeUnit.SECONDS);
        attempts++;
        long tag = task.getEnvelope().getDeliveryTag();
        if (rejections(task, "example.work") < 2) {
          channel.basicReject(tag, false);
          continue;
        }
        channel.basicPublish("", "example.failed", task.getProperties(), task.getBody());
        channel.basicAck(tag, false);
        break;
      }

      GetResponse failed = channel.basicGet("example.failed", true);
      Example.equal(attempts, 3);
      Example.equal(failed.getProps().getHeaders().get("x-first-death-queue").toString(), "example.work");
      System.out.println("the task was tried 3 times and then put aside");
      for (String queue : List.of("example.work", "example.retry", "example.failed")) channel.queueDelete(queue);
    }
  }

  /** How often the message was rejected from a queue: the broker keeps count in the header x-death. */
  private static long rejections(Delivery message, String queue) {
    Map<String, Object> headers = message.getProperties().getHeaders();
    if (headers == null || !(headers.get("x-death") instanceof List<?> deaths)) return 0;
    for (Object death : deaths) {
      Map<?, ?> entry = (Map<?, ?>) death;
      boolean isIt = entry.get("queue").toString().equals(queue) && entry.get("reason").toString().equals("rejected");
      if (isIt) return (Long) entry.get("count");
    }
    return 0;
  }
}
