package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Topics: routing keys are words between dots; a pattern has * for one word and # for any number of them. */
public final class Topics {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = Example.connect()) {
      Channel channel = connection.createChannel();
      channel.exchangeDeclare("example.animals", "topic");

      Map<String, List<String>> expected = Map.of(
          "*.orange.*", List.of("quick.orange.rabbit", "lazy.orange.elephant"),
          "*.*.rabbit", List.of("quick.orange.rabbit", "lazy.pink.rabbit"),
          "lazy.#", List.of("lazy.orange.elephant", "lazy.pink.rabbit", "lazy"));
      Map<String, String> queues = new HashMap<>();
      for (String pattern : expected.keySet()) {
        queues.put(pattern, channel.queueDeclare().getQueue());
        channel.queueBind(queues.get(pattern), "example.animals", pattern);
      }

      List<String> keys = List.of("quick.orange.rabbit", "lazy.orange.elephant", "lazy.pink.rabbit", "lazy", "quick.brown.fox");
      for (String key : keys) Example.send(channel, "example.animals", key, key);

      for (String pattern : expected.keySet()) Example.equal(Example.received(channel, queues.get(pattern)), expected.get(pattern));
      System.out.println("each pattern matched what it should");
      channel.exchangeDelete("example.animals");
    }
  }
}
