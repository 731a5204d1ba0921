package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import java.util.List;

/** Simple: one program sends a message to a queue, another takes it out. */
public final class Simple {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("example.simple", false, false, false, null);

      // The default exchange, whose name is empty, sends a message to the queue named by the routing key.
      channel.basicPublish("", "example.simple", null, "Hello".getBytes());

      Example.equal(Example.received(channel, "example.simple"), List.of("Hello"));
      System.out.println("received Hello");
      channel.queueDelete("example.simple");
    }
  }
}
