package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import java.util.List;

/** Routing: a subscriber gets only the kinds of messages that it asked for. */
public final class Routing {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      channel.exchangeDeclare("example.logs", "direct");

      String errors = channel.queueDeclare().getQueue();
      channel.queueBind(errors, "example.logs", "error");
      String everything = channel.queueDeclare().getQueue();
      for (String severity : List.of("info", "warning", "error")) channel.queueBind(everything, "example.logs", severity);

      for (String severity : List.of("info", "error", "warning")) Example.send(channel, "example.logs", severity, severity);

      Example.equal(Example.received(channel, errors), List.of("error"));
      Example.equal(Example.received(channel, everything), List.of("info", "error", "warning"));
      System.out.println("one queue has the errors, the other has all");
      channel.exchangeDelete("example.logs");
    }
  }
}
