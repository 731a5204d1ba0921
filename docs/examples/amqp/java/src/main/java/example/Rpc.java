package example;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;

/** RPC: a request says where the answer goes, and carries an id by which the answer is known. */
public final class Rpc {
  public static void main(String[] arguments) throws Exception {
    try (Connection serving = Example.connect(); Connection connection = Example.connect()) {
      Channel serverChannel = serving.createChannel();
      serverChannel.queueDeclare("example.rpc", false, false, false, null);
      serverChannel.basicConsume("example.rpc", false, (tag, request) -> {
        int number = Integer.parseInt(new String(request.getBody()));
        AMQP.BasicProperties asked = request.getProperties();
        AMQP.BasicProperties answer = new AMQP.BasicProperties.Builder().correlationId(asked.getCorrelationId()).build();
        serverChannel.basicPublish("", asked.getReplyTo(), answer, String.valueOf(number * number).getBytes());
        serverChannel.basicAck(request.getEnvelope().getDeliveryTag(), false);
      }, tag -> {});

      // The client listens at direct reply-to, for which it needs no queue, or at a queue that it is told of.
      Channel channel = connection.createChannel();
      RpcClientParams parameters = new RpcClientParams().channel(channel).exchange("").routingKey("example.rpc").timeout(10_000);
      RpcClient client = new RpcClient(parameters);
      Example.equal(client.stringCall("12"), "144");
      String own = channel.queueDeclare().getQueue();
      RpcClient withQueue = new RpcClient(new RpcClientParams().channel(channel).exchange("").routingKey("example.rpc").replyTo(own).timeout(10_000));
      Example.equal(withQueue.stringCall("7"), "49");
      System.out.println("12 squared is 144, 7 squared is 49");

      channel.queueDelete("example.rpc");
    }
  }
}
