package conformance;

import static conformance.Session.bodies;
import static conformance.Session.bytes;
import static conformance.Session.equal;
import static conformance.Session.ok;
import static conformance.Session.properties;
import static conformance.Session.unique;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** Exchanges, queues and bindings, and what is refused. */
final class Topology {
    static void exchange(Session s) throws Exception {
        Channel c = s.channel;
        String queue = s.queue();
        String source = unique("direct");
        String middle = unique("fanout");
        c.exchangeDeclare(source, "direct", true);
        c.exchangeDeclare(source, "direct", true);
        c.exchangeDeclarePassive(source);
        c.exchangeDeclare(middle, "fanout", false);
        c.exchangeBind(middle, source, "key");
        c.queueBind(queue, middle, "");
        s.publish(source, "key", null, bytes("through"));
        equal(s.drain(queue), "through", "message over two exchanges");
        s.refused(406, "PRECONDITION_FAILED - exchange '" + middle + "' in vhost '/' in use",
                x -> x.exchangeDelete(middle, true));
        c.exchangeUnbind(middle, source, "key");
        s.publish(source, "key", null, bytes("lost"));
        equal(s.drain(queue), "", "message after unbind");
        c.queueUnbind(queue, middle, "");
        c.exchangeDelete(middle, true);
        c.exchangeDelete(source);
        c.exchangeDelete(source);
        s.refused(404, "NOT_FOUND - no exchange", x -> x.exchangeDeclarePassive(source));
        String alternate = s.exchange("fanout");
        c.queueBind(queue, alternate, "");
        String first = unique("direct");
        c.exchangeDeclare(first, "direct", false, false, Map.of("alternate-exchange", alternate));
        s.publish(first, "unknown", null, bytes("caught"));
        equal(s.drain(queue), "caught", "message over the alternate exchange");
        c.exchangeDelete(first);
        String gone = s.exchange("fanout");
        c.queueBind(queue, gone, "");
        c.queueUnbind(queue, gone, "");
        s.refused(404, "NOT_FOUND", x -> x.exchangeDeclarePassive(gone));
        String inner = unique("fanout");
        c.exchangeDeclare(inner, "fanout", false, false, true, null);
        s.refused(403, "ACCESS_REFUSED", x -> x.basicPublish(inner, "", null, bytes("")));
        c.exchangeDelete(inner);
    }

    static void queue(Session s) throws Exception {
        Channel c = s.channel;
        String made = c.queueDeclare("", false, true, false, null).getQueue();
        ok(made.startsWith("amq.gen-"), "server-named queue is " + made);
        String queue = c.queueDeclare(unique("queue"), true, false, false, null).getQueue();
        s.put(queue, "a", "b", "c");
        equal(s.counts(queue).getMessageCount(), 3, "messages");
        equal(s.counts(queue).getConsumerCount(), 0, "consumers");
        equal(c.queuePurge(queue).getMessageCount(), 3, "purged messages");
        s.put(queue, "d");
        s.refused(406, "PRECONDITION_FAILED - queue '" + queue + "' in vhost '/' not empty",
                x -> x.queueDelete(queue, false, true));
        String tag = s.consume(queue, true);
        equal(bodies(s.receive(1)), "d", "message");
        equal(s.counts(queue).getConsumerCount(), 1, "consumers");
        s.refused(406, "PRECONDITION_FAILED - queue '" + queue + "' in vhost '/' in use",
                x -> x.queueDelete(queue, true, false));
        c.basicCancel(tag);
        s.put(queue, "e", "f");
        equal(c.queueDelete(queue, true, false).getMessageCount(), 2, "deleted messages");
        equal(c.queueDelete(queue).getMessageCount(), 0, "deleting what is gone");
        String mine = s.queue();
        try (Session other = new Session()) {
            other.refused(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue",
                    x -> x.queueDeclarePassive(mine));
        }
        String fleeting = c.queueDeclare(unique("queue"), false, false, true, null).getQueue();
        c.basicCancel(s.consume(fleeting, false));
        s.refused(404, "NOT_FOUND", x -> x.queueDeclarePassive(fleeting));
    }

    /** A table of the headers exchange: NAME=T:VALUE,... */
    private static Map<String, Object> table(String field) {
        Map<String, Object> table = new HashMap<>();
        for (String pair : field.split(",")) {
            String[] parts = pair.split("[=:]", 3);
            table.put(parts[0], switch (parts[1]) {
                case "s" -> parts[2];
                case "i" -> Integer.valueOf(parts[2]);
                case "t" -> Boolean.valueOf(parts[2]);
                default -> null;
            });
        }
        return table;
    }

    /** Binds the queues of the shared table and sees which of them get each message. */
    static void routing(Session s, String kind) throws Exception {
        String exchange = s.exchange(kind);
        boolean tables = kind.equals("headers");
        Map<String, String> queues = new TreeMap<>();
        int sent = 0;
        for (String line : Files.readAllLines(Path.of(System.getenv("ROUTING_TABLE")))) {
            String[] fields = line.split("\\|", -1);
            if (!fields[0].equals(kind)) {
                continue;
            }
            String field = fields[1].equals("bind") ? fields[3] : fields[2];
            String key = tables ? "" : field;
            Map<String, Object> table = tables ? table(field) : null;
            if (fields[1].equals("bind")) {
                if (!queues.containsKey(fields[2])) {
                    queues.put(fields[2], s.queue());
                }
                s.channel.queueBind(queues.get(fields[2]), exchange, key, table);
                continue;
            }
            sent++;
            s.publish(exchange, key, properties().headers(table).build(), bytes("m"));
            StringBuilder got = new StringBuilder();
            for (Map.Entry<String, String> queue : queues.entrySet()) {
                String drained = s.drain(queue.getValue());
                got.append(queue.getKey().repeat(drained.isEmpty() ? 0 : drained.split(" ").length));
            }
            equal(got.toString(), fields[3], "queues that got " + field);
        }
        ok(sent > 0, "no lines for " + kind + " in the routing table");
    }

    static void errors(Session s) throws Exception {
        String no = unique("missing");
        String queue = s.queue();
        String exchange = s.exchange("direct");
        s.refused(404, "NOT_FOUND - no queue '" + no + "' in vhost '/'", c -> c.queueDeclarePassive(no));
        s.refused(404, "NOT_FOUND - no exchange '" + no + "' in vhost '/'", c -> c.exchangeDeclarePassive(no));
        s.refused(404, "NOT_FOUND - no queue '" + no + "' in vhost '/'", c -> s.consume(c, no, true, ""));
        s.refused(404, "NOT_FOUND - no exchange '" + no + "' in vhost '/'",
                c -> c.basicPublish(no, "", null, bytes("")));
        s.refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '" + queue
                + "' in vhost '/': received the value '7' of type",
                c -> c.queueDeclare(queue, false, true, false, Map.of("x-max-length", 7)));
        s.refused(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '" + exchange
                + "' in vhost '/': received 'fanout' but current is 'direct'",
                c -> c.exchangeDeclare(exchange, "fanout", false, true, null));
        s.refused(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
                c -> c.queueDeclare("amq.mine", false, true, false, null));
        s.refused(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
                c -> c.exchangeDeclare("amq.mine", "direct"));
        s.refused(403, "ACCESS_REFUSED - operation not permitted on the default exchange",
                c -> c.queueBind(queue, "", "key"));
        s.refused(406, "PRECONDITION_FAILED - unknown delivery tag 99", c -> c.basicAck(99, false));
        s.channel.exchangeDelete(exchange);
        missingVhost(no);
    }

    private static void missingVhost(String no) throws Exception {
        ConnectionFactory factory = Session.factory();
        factory.setVirtualHost(no);
        try {
            factory.newConnection().close();
            throw new AssertionError("connected to a missing vhost");
        } catch (IOException error) {
            ok(error.getCause() instanceof ShutdownSignalException, "a missing vhost gives " + error);
            var close = (AMQP.Connection.Close) ((ShutdownSignalException) error.getCause()).getReason();
            equal(close.getReplyCode(), 530, "reply code");
            equal(close.getReplyText(), "NOT_ALLOWED - vhost " + no + " not found", "reply text");
        }
    }
}
