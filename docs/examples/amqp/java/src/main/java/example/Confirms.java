package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Confirms: the broker says which messages it has taken, and returns those that no queue wanted. */
public final class Confirms {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("example.confirmed", true, false, false, null);
      channel.confirmSelect();
      BlockingQueue<Return> returned = new LinkedBlockingQueue<>();
      channel.addReturnListener(returned::add);

      // All are sent at once and then waited for; a confirmed persistent message is on disk.
      for (int number = 0; number < 20; number++) {
        channel.basicPublish("", "example.confirmed", MessageProperties.PERSISTENT_BASIC, String.valueOf(number).getBytes());
      }
      channel.waitForConfirmsOrDie(10_000);
      Example.equal(channel.messageCount("example.confirmed"), 20L);

      // A mandatory message for no queue comes back before it is confirmed.
      channel.basicPublish("", "example.nowhere", true, null, "lost".getBytes());
      channel.waitForConfirmsOrDie(10_000);
      Return lost = returned.poll(10, TimeUnit.SECONDS);
      Example.equal(lost.getReplyText(), "NO_ROUTE");
      Example.equal(new String(lost.getBody()), "lost");
      System.out.println("20 messages confirmed, the one for nobody came back");
      channel.queueDelete("example.confirmed");
    }
  }
}
