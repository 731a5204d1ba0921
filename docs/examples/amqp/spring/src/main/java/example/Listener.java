package example;

import java.net.URI;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageListener;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.config.RetryInterceptorBuilder;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.retry.RejectAndDontRequeueRecoverer;

/** Spring AMQP: a listener container that tries a message three times and then has the broker dead-letter it. */
public final class Listener {
  public static void main(String[] arguments) throws Exception {
    String url = System.getenv("AMQP_URL");
    CachingConnectionFactory connections = new CachingConnectionFactory(new URI(url == null ? "amqp://guest:guest@localhost:5672/%2f" : url));
    RabbitAdmin admin = new RabbitAdmin(connections);
    Queue failed = QueueBuilder.durable("example.spring.failed").build();
    Queue work = QueueBuilder.durable("example.spring").deadLetterExchange("").deadLetterRoutingKey(failed.getName()).build();
    admin.declareQueue(failed);
    admin.declareQueue(work);

    AtomicInteger attempts = new AtomicInteger();
    CountDownLatch good = new CountDownLatch(1);
    SimpleMessageListenerContainer container = new SimpleMessageListenerContainer(connections);
    container.setQueueNames(work.getName());
    container.setAdviceChain(RetryInterceptorBuilder.stateless()
        .maxAttempts(3)
        .backOffOptions(50, 2, 200)
        .recoverer(new RejectAndDontRequeueRecoverer())
        .build());
    container.setMessageListener((MessageListener) message -> {
      if (new String(message.getBody()).equals("bad")) {
        attempts.incrementAndGet();
        throw new IllegalStateException("this message cannot be worked on");
      }
      good.countDown();
    });
    container.afterPropertiesSet();
    container.start();

    RabbitTemplate template = new RabbitTemplate(connections);
    template.convertAndSend(work.getName(), "bad");
    template.convertAndSend(work.getName(), "good");
    Message dead = template.receive(failed.getName(), 20_000);
    boolean isGood = good.await(20, TimeUnit.SECONDS);
    container.stop();
    admin.deleteQueue(work.getName());
    admin.deleteQueue(failed.getName());
    connections.destroy();

    Map<String, ?> death = dead.getMessageProperties().getXDeathHeader().get(0);
    boolean isAsExpected = isGood && attempts.get() == 3 && "rejected".equals(String.valueOf(death.get("reason")));
    if (!isAsExpected) throw new AssertionError(attempts + " attempts, good: " + isGood + ", death: " + death);
    System.out.println("one message worked on, the other dead-lettered after three attempts");
    System.exit(0);
  }
}
