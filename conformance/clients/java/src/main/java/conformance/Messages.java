package conformance;

import static conformance.Session.EVENT_MS;
import static conformance.Session.bodies;
import static conformance.Session.bytes;
import static conformance.Session.equal;
import static conformance.Session.ok;
import static conformance.Session.plain;
import static conformance.Session.properties;
import static conformance.Session.text;
import static conformance.Session.unique;

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Return;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Connections, and messages on their way through one queue. */
final class Messages {
    private static final List<String> CAPABILITIES = List.of(
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close",
            "per_consumer_qos", "direct_reply_to");

    static void connect(Session s) throws Exception {
        Map<?, ?> server = (Map<?, ?>) plain(s.connection.getServerProperties());
        for (String name : List.of("product", "version", "platform", "copyright", "information")) {
            ok(server.get(name) instanceof String text && !text.isEmpty(),
                    "server property " + name + " is " + server.get(name));
        }
        for (String name : CAPABILITIES) {
            equal(((Map<?, ?>) server.get("capabilities")).get(name), true, "capability " + name);
        }
        ok(s.connection.getChannelMax() > 0, "channel_max " + s.connection.getChannelMax());
        ok(s.connection.getFrameMax() >= 8192, "frame_max " + s.connection.getFrameMax());
        ConnectionFactory wrong = Session.factory();
        wrong.setPassword(unique("password"));
        try {
            wrong.newConnection().close();
            throw new AssertionError("a wrong password was accepted");
        } catch (AuthenticationFailureException refusal) {
            ok(refusal.getMessage().contains("ACCESS_REFUSED"), "refused login says " + refusal.getMessage());
        }
    }

    static void heartbeat(Session unused) throws Exception {
        ConnectionFactory factory = Session.factory();
        factory.setRequestedHeartbeat(3);
        try (Connection connection = factory.newConnection()) {
            equal(connection.getHeartbeat(), 3, "negotiated heartbeat");
            CountDownLatch closed = new CountDownLatch(1);
            connection.addShutdownListener(signal -> closed.countDown());
            // amqp-client closes the connection when two heartbeats of the broker are missing.
            ok(!closed.await(10, TimeUnit.SECONDS), "closed while only heartbeats were exchanged: "
                    + connection.getCloseReason());
            connection.createChannel().close();
        }
    }

    static void close(Session watcher) throws Exception {
        String kept = watcher.channel.queueDeclare(unique("queue"), false, false, false, null).getQueue();
        Session s = new Session();
        String exclusive = s.queue();
        s.put(kept, "unacked");
        s.consume(kept, false);
        s.receive(1);
        watcher.consume(kept, false);
        s.connection.close();
        Delivery message = watcher.receive(1).get(0);
        equal(text(message.getBody()), "unacked", "message of the closed connection");
        ok(message.getEnvelope().isRedeliver(), "the redelivered flag is not set");
        watcher.channel.queueDelete(kept);
        watcher.refused(404, "NOT_FOUND", c -> c.queueDeclarePassive(exclusive));
    }

    private static Map<String, Object> everyType() {
        Map<String, Object> headers = new HashMap<>();
        headers.put("boolean", true);
        headers.put("byte", (byte) -5);
        headers.put("short", (short) -300);
        headers.put("int", -70_000);
        headers.put("long", -(1L << 40));
        headers.put("float", -0.5f);
        headers.put("double", Math.PI);
        headers.put("decimal", new BigDecimal("-3.14"));
        headers.put("text", "gr\u00fc\u00df");
        headers.put("empty", "");
        headers.put("bytes", new byte[] {0, (byte) 255, (byte) 254});
        headers.put("nothing", null);
        headers.put("time", new Date(1_709_208_001_000L));
        headers.put("array", Arrays.asList(1, "a", true, null, List.of(2L), Map.of("k", "v")));
        headers.put("table", Map.of("inner", Map.of("deep", List.of(1, "two", Map.of("three", 3)))));
        headers.put("no table", Map.of());
        headers.put("no array", List.of());
        return headers;
    }

    static void publish(Session s) throws Exception {
        String queue = s.queue();
        Map<String, Object> headers = everyType();
        BasicProperties sent = properties().contentType("application/json").contentEncoding("utf-8")
                .headers(headers).deliveryMode(2).priority(7).correlationId("correlation").replyTo("reply")
                .expiration("60000").messageId("message").timestamp(new Date(1_709_208_001_000L))
                .type("kind").userId(Session.factory().getUsername()).appId("application")
                .clusterId("cluster").build();
        s.publish("", queue, sent, bytes("body"));
        s.publish("", queue, new BasicProperties(), bytes("bare"));
        s.consume(queue, true);
        List<Delivery> got = s.receive(2);
        equal(bodies(got), "body bare", "bodies");
        equal(got.get(0).getEnvelope().getExchange(), "", "exchange");
        equal(got.get(0).getEnvelope().getRoutingKey(), queue, "routing key");
        BasicProperties full = got.get(0).getProperties();
        for (Map.Entry<String, Object> header : headers.entrySet()) {
            equal(plain(full.getHeaders().get(header.getKey())), plain(header.getValue()),
                    "header " + header.getKey());
        }
        equal(full.getHeaders().keySet(), headers.keySet(), "names of headers");
        equal(full.builder().headers(null).build(), sent.builder().headers(null).build(), "properties");
        equal(got.get(1).getProperties(), new BasicProperties(), "absent properties");
    }

    static void consume(Session s) throws Exception {
        String queue = s.queue();
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            sent.add("m" + i);
        }
        s.put(queue, sent.subList(0, 50).toArray(String[]::new));
        BlockingQueue<String> tags = new LinkedBlockingQueue<>();
        String tag = s.channel.basicConsume(queue, true, "my tag", (own, delivery) -> {
            tags.add(own);
            s.inbox.add(delivery);
        }, own -> { });
        equal(tag, "my tag", "consumer tag");
        s.put(queue, sent.subList(50, 100).toArray(String[]::new));
        List<Delivery> got = s.receive(100);
        equal(bodies(got), String.join(" ", sent), "order");
        for (int i = 0; i < 100; i++) {
            equal(got.get(i).getEnvelope().getDeliveryTag(), i + 1L, "delivery tag");
            ok(!got.get(i).getEnvelope().isRedeliver(), "a first delivery is marked as redelivered");
        }
        ok(tags.stream().allMatch("my tag"::equals), "consumer tags of deliveries");
        s.channel.basicCancel("my tag");
        s.put(queue, "later");
        equal(s.ready(queue), 1, "messages ready after cancel");
        String made = s.consume(queue, true);
        ok(made.startsWith("amq.ctag-"), "consumer tag made by the broker is " + made);
    }

    static void confirm(Session s) throws Exception {
        String queue = s.queue();
        s.put(queue, "one");
        equal(s.ready(queue), 1, "messages after a confirm");
        for (int i = 0; i < 500; i++) {
            s.publisher.basicPublish("", queue, null, bytes("m"));
        }
        ok(s.publisher.waitForConfirms(EVENT_MS), "a message was nacked");
        equal(s.ready(queue), 501, "messages after many confirms");
        // Both listeners are called by the connection's reader, in the order of the frames.
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        s.publisher.addReturnListener(message -> events.add("return " + message.getReplyCode()));
        s.publisher.addConfirmListener((tag, multiple) -> events.add("ack " + tag),
                (tag, multiple) -> events.add("nack " + tag));
        s.publisher.basicPublish("", unique("nowhere"), true, null, bytes("m"));
        equal(events.poll(EVENT_MS, TimeUnit.MILLISECONDS), "return 312", "first event");
        equal(events.poll(EVENT_MS, TimeUnit.MILLISECONDS), "ack 502", "second event");
    }

    static void returned(Session s) throws Exception {
        BlockingQueue<Return> returns = new LinkedBlockingQueue<>();
        s.channel.addReturnListener(message -> returns.add(message));
        String nowhere = unique("nowhere");
        s.channel.basicPublish("", nowhere, false, null, bytes("silent"));
        s.channel.basicPublish("", nowhere, true, properties().messageId("42").build(), bytes("back"));
        Return message = returns.poll(EVENT_MS, TimeUnit.MILLISECONDS);
        ok(message != null, "timed out: return");
        equal(message.getReplyCode(), 312, "reply code");
        equal(message.getReplyText(), "NO_ROUTE", "reply text");
        equal(message.getExchange(), "", "exchange");
        equal(message.getRoutingKey(), nowhere, "routing key");
        equal(message.getProperties().getMessageId(), "42", "property");
        equal(text(message.getBody()), "back", "body");
        String direct = s.exchange("direct");
        s.channel.basicPublish(direct, "key", true, null, bytes("again"));
        message = returns.poll(EVENT_MS, TimeUnit.MILLISECONDS);
        ok(message != null, "timed out: return");
        equal(message.getExchange() + " " + message.getRoutingKey(), direct + " key", "exchange and routing key");
    }

    static void qos(Session s) throws Exception {
        String queue = s.queue();
        s.put(queue, "a", "b", "c", "d", "e", "f", "g", "h");
        Channel consumer = s.connection.createChannel();
        consumer.basicQos(3);
        s.consume(consumer, queue, false, "");
        List<Delivery> first = s.receive(3);
        equal(s.ready(queue), 5, "messages held back");
        consumer.basicAck(first.get(0).getEnvelope().getDeliveryTag(), false);
        equal(bodies(s.receive(1)), "d", "next after one ack");
        consumer.basicAck(first.get(2).getEnvelope().getDeliveryTag(), true);
        equal(bodies(s.receive(2)), "e f", "next after a multiple ack");
        Channel shared = s.connection.createChannel();
        String other = s.queue();
        shared.basicQos(2, true);
        s.consume(shared, other, false, "one");
        s.consume(shared, other, false, "two");
        s.put(other, "a", "b", "c", "d");
        s.receive(2);
        equal(s.ready(other), 2, "messages beyond the limit of the channel");
    }

    static void get(Session s) throws Exception {
        String queue = s.queue();
        equal(s.channel.basicGet(queue, true), null, "get from an empty queue");
        for (String body : List.of("a", "b", "c")) {
            s.publish("", queue, properties().type("kind").build(), bytes(body));
        }
        GetResponse got = s.get(queue, false);
        equal(text(got.getBody()), "a", "first get-ok");
        equal(got.getMessageCount(), 2, "message count");
        equal(got.getEnvelope().isRedeliver(), false, "redelivered flag");
        equal(got.getEnvelope().getExchange(), "", "exchange");
        equal(got.getEnvelope().getRoutingKey(), queue, "routing key");
        equal(got.getProps().getType(), "kind", "property");
        s.channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        equal(s.get(queue, true).getMessageCount(), 1, "second get-ok");
        equal(s.get(queue, true).getMessageCount(), 0, "third get-ok");
        equal(s.channel.basicGet(queue, true), null, "get from a drained queue");
    }

    static void nack(Session s) throws Exception {
        String target = s.queue();
        String queue = s.queue(Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", target));
        s.put(queue, "a", "b", "c", "d");
        long[] taken = new long[4];
        for (int i = 0; i < 4; i++) {
            taken[i] = s.get(queue, false).getEnvelope().getDeliveryTag();
        }
        s.channel.basicNack(taken[1], true, true);
        s.channel.basicReject(taken[2], true);
        long[] again = new long[3];
        for (int i = 0; i < 3; i++) {
            GetResponse got = s.get(queue, false);
            equal(text(got.getBody()), List.of("a", "b", "c").get(i), "requeued messages keep their place");
            ok(got.getEnvelope().isRedeliver(), "a requeued message is not marked as redelivered");
            again[i] = got.getEnvelope().getDeliveryTag();
        }
        s.channel.basicAck(taken[3], false);
        s.consume(target, true);
        s.channel.basicReject(again[0], false);
        Delivery dead = s.receive(1).get(0);
        equal(text(dead.getBody()), "a", "rejected message");
        Session.death(dead, queue, "rejected");
        s.channel.basicNack(again[2], true, false);
        equal(bodies(s.receive(2)), "b c", "messages of a multiple nack");
        equal(s.ready(queue), 0, "messages left");
    }

    static void recover(Session s) throws Exception {
        String queue = s.queue();
        s.put(queue, "a", "b");
        s.consume(queue, false);
        for (Delivery message : s.receive(2)) {
            ok(!message.getEnvelope().isRedeliver(), "a first delivery is marked as redelivered");
        }
        s.channel.basicRecover(true);
        List<Delivery> again = s.receive(2);
        equal(bodies(again), "a b", "recovered messages");
        for (int i = 0; i < 2; i++) {
            ok(again.get(i).getEnvelope().isRedeliver(), "a recovered message is not marked as redelivered");
            equal(again.get(i).getEnvelope().getDeliveryTag(), i + 3L, "delivery tag");
        }
    }

    static void tx(Session s) throws Exception {
        String queue = s.queue();
        Channel channel = s.connection.createChannel();
        channel.txSelect();
        channel.basicPublish("", queue, null, bytes("a"));
        channel.basicPublish("", queue, null, bytes("b"));
        equal(s.ready(queue), 0, "messages before commit");
        channel.txCommit();
        equal(s.ready(queue), 2, "messages after commit");
        channel.basicPublish("", queue, null, bytes("lost"));
        channel.txRollback();
        channel.txCommit();
        equal(s.ready(queue), 2, "messages after rollback");
        GetResponse got = channel.basicGet(queue, false);
        channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        channel.txRollback();
        channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        channel.txCommit();
        channel.close();
        equal(s.drain(queue), "b", "messages after an ack was committed");
    }

    static void bigBody(Session s) throws Exception {
        String queue = s.queue();
        byte[] big = new byte[1 << 20];
        for (int i = 0; i < big.length; i++) {
            big[i] = (byte) i;
        }
        int frame = s.connection.getFrameMax() - 8;
        List<byte[]> sent = List.of(new byte[0], big, Arrays.copyOf(big, frame), Arrays.copyOf(big, frame + 1),
                new byte[0]);
        for (byte[] body : sent) {
            s.publish("", queue, null, body);
        }
        s.consume(queue, true);
        List<Delivery> got = s.receive(sent.size());
        for (int i = 0; i < sent.size(); i++) {
            equal(got.get(i).getBody().length, sent.get(i).length, "body size");
            ok(Arrays.equals(got.get(i).getBody(), sent.get(i)), "a body changed on its way");
        }
    }
}
