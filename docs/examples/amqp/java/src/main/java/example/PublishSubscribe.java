package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import java.util.List;

/** Publish/subscribe: every subscriber gets every message. */
public final class PublishSubscribe {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      channel.exchangeDeclare("example.news", "fanout");

      // Each subscriber has a queue of its own; the broker names it, and removes it with the connection.
      List<String> queues = List.of(channel.queueDeclare().getQueue(), channel.queueDeclare().getQueue());
      for (String queue : queues) channel.queueBind(queue, "example.news", "");

      Example.send(channel, "example.news", "", "It works");

      for (String queue : queues) Example.equal(Example.received(channel, queue), List.of("It works"));
      System.out.println("both subscribers have the news");
      channel.exchangeDelete("example.news");
    }
  }
}
