package conformance;

import static conformance.Session.EVENT_MS;
import static conformance.Session.bodies;
import static conformance.Session.bytes;
import static conformance.Session.equal;
import static conformance.Session.ok;
import static conformance.Session.properties;
import static conformance.Session.text;

import com.rabbitmq.client.Delivery;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What RabbitMQ adds to the protocol: limits, dead letters, priorities, direct reply-to. */
final class Extensions {
    static void cancel(Session s) throws Exception {
        String queue = s.queue();
        BlockingQueue<String> heard = new LinkedBlockingQueue<>();
        String tag = s.channel.basicConsume(queue, (own, delivery) -> { }, own -> heard.add(own));
        s.connection.createChannel().queueDelete(queue);
        equal(heard.poll(EVENT_MS, TimeUnit.MILLISECONDS), tag, "consumer that the broker cancelled");
        s.channel.basicQos(1);
    }

    static void ttl(Session s) throws Exception {
        String target = s.queue();
        String dead = s.exchange("direct");
        s.channel.queueBind(target, dead, "dead");
        String queue = s.queue(Map.of("x-message-ttl", 100, "x-dead-letter-exchange", dead,
                "x-dead-letter-routing-key", "dead"));
        s.consume(target, true);
        s.publish("", queue, properties().headers(Map.of("mine", "kept")).build(), bytes("old"));
        Delivery message = s.receive(1).get(0);
        equal(text(message.getBody()), "old", "body");
        equal(message.getEnvelope().getExchange(), dead, "exchange");
        equal(message.getEnvelope().getRoutingKey(), "dead", "routing key");
        equal(message.getProperties().getHeaders().get("mine").toString(), "kept", "header");
        Session.death(message, queue, "expired");
        String own = s.queue(Map.of("x-dead-letter-exchange", dead, "x-dead-letter-routing-key", "dead"));
        s.publish("", own, properties().expiration("50").build(), bytes("own"));
        message = s.receive(1).get(0);
        equal(text(message.getBody()), "own", "body");
        equal(message.getProperties().getExpiration(), null, "expiration");
        equal(Session.death(message, own, "expired").get("original-expiration"), "50", "original-expiration");
    }

    static void maxLength(Session s) throws Exception {
        String target = s.queue();
        String queue = s.queue(Map.of("x-max-length", 3, "x-dead-letter-exchange", "",
                "x-dead-letter-routing-key", target));
        s.consume(target, true);
        s.put(queue, "a", "b", "c", "d", "e");
        List<Delivery> dropped = s.receive(2);
        equal(bodies(dropped), "a b", "dropped messages");
        Session.death(dropped.get(0), queue, "maxlen");
        equal(s.drain(queue), "c d e", "kept messages");
        String full = s.queue(Map.of("x-max-length", 2, "x-overflow", "reject-publish"));
        s.put(full, "a", "b");
        ok(!s.publish("", full, null, bytes("c")), "a publish to a full queue was confirmed");
        equal(s.drain(full), "a b", "kept messages");
    }

    static void priority(Session s) throws Exception {
        String queue = s.queue(Map.of("x-max-priority", 5));
        s.put(queue, "none");
        for (String body : List.of("a1", "a5", "a3", "b5", "b9")) {
            int level = body.charAt(1) - '0';
            s.publish("", queue, properties().priority(level).build(), bytes(body));
        }
        equal(s.drain(queue), "a5 b5 b9 a3 a1 none", "order by priority");
    }

    static void replyTo(Session server) throws Exception {
        String pseudo = "amq.rabbitmq.reply-to";
        String queue = server.queue();
        try (Session client = new Session()) {
            client.consume(pseudo, true);
            server.consume(queue, true);
            client.channel.basicPublish("", queue, true,
                    properties().replyTo(pseudo).correlationId("7").build(), bytes("ask"));
            Delivery asked = server.receive(1).get(0);
            equal(text(asked.getBody()), "ask", "request");
            equal(asked.getProperties().getCorrelationId(), "7", "correlation id");
            String address = asked.getProperties().getReplyTo();
            ok(address.startsWith(pseudo + "."), "reply-to is " + address);
            server.publish("", address, properties().correlationId("7").build(), bytes("answer"));
            Delivery got = client.receive(1).get(0);
            equal(text(got.getBody()), "answer", "reply");
            equal(got.getEnvelope().getRoutingKey(), address, "routing key of the reply");
            equal(got.getProperties().getCorrelationId(), "7", "correlation id");
        }
        server.refused(406, "PRECONDITION_FAILED - fast reply consumer does not exist",
                c -> c.basicPublish("", "x", properties().replyTo(pseudo).build(), bytes("")));
    }
}
