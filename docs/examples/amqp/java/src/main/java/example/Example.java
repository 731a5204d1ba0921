package example;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** What every example needs: a connection, and an end with a message when something is not as it should be. */
final class Example {
  private Example() {}

  /** Opens a connection to AMQP_URL. */
  static Connection connect() throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    String url = System.getenv("AMQP_URL");
    factory.setUri(url == null ? "amqp://guest:guest@localhost:5672/%2f" : url);
    return factory.newConnection();
  }

  /** Publishes a text. */
  static void send(Channel channel, String exchange, String key, String text) throws IOException {
    channel.basicPublish(exchange, key, null, text.getBytes());
  }

  /** Takes out all that a queue holds. */
  static List<String> received(Channel channel, String queue) throws IOException {
    List<String> texts = new ArrayList<>();
    for (GetResponse message; (message = channel.basicGet(queue, true)) != null; ) texts.add(new String(message.getBody()));
    return texts;
  }

  /** Ends the program unless both are equal. */
  static void equal(Object found, Object expected) {
    if (!expected.equals(found)) throw new AssertionError("expected " + expected + ", found " + found);
  }
}
