package conformance;

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AMQP.Queue.DeclareOk;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A connection with a plain channel, a confirming one, and what its consumers got. */
final class Session implements AutoCloseable {
    /** Longest time that a single event may take to arrive. */
    static final long EVENT_MS = 10_000;
    static final String URL = System.getenv("AMQP_URL");
    private static final String RUN = UUID.randomUUID().toString().substring(0, 8);
    private static final AtomicInteger NAMES = new AtomicInteger();

    final Connection connection;
    final Channel channel;
    /** Messages are put with confirms: only then must a message count include them. */
    final Channel publisher;
    final BlockingQueue<Delivery> inbox = new LinkedBlockingQueue<>();

    /** An action that the broker may refuse. */
    interface Action {
        void on(Channel channel) throws Exception;
    }

    Session() throws Exception {
        connection = factory().newConnection();
        channel = connection.createChannel();
        publisher = connection.createChannel();
        publisher.confirmSelect();
    }

    static ConnectionFactory factory() throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(URL);
        // Recovery would hide a closed connection, and repeat topology.
        factory.setAutomaticRecoveryEnabled(false);
        factory.setTopologyRecoveryEnabled(false);
        return factory;
    }

    @Override
    public void close() {
        connection.abort(5_000);
    }

    /** A queue or exchange name that no other run uses. */
    static String unique(String what) {
        return "conformance.java." + RUN + "." + what + "." + NAMES.incrementAndGet();
    }

    static void ok(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object got, Object want, String what) {
        ok(Objects.equals(got, want), what + ": got " + got + ", expected " + want);
    }

    /** A value of a table as the client would have written it: texts are strings again. */
    static Object plain(Object value) {
        if (value instanceof LongString text) {
            return text.toString();
        }
        if (value instanceof byte[] bytes) {
            return Arrays.toString(bytes);
        }
        if (value instanceof List<?> list) {
            return new ArrayList<>(list.stream().map(Session::plain).toList());
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> all = new java.util.TreeMap<>();
            map.forEach((name, field) -> all.put(name, plain(field)));
            return all;
        }
        return value;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static String bodies(List<Delivery> messages) {
        return String.join(" ", messages.stream().map(m -> text(m.getBody())).toList());
    }

    static BasicProperties.Builder properties() {
        return new BasicProperties.Builder();
    }

    String queue(Map<String, Object> arguments) throws IOException {
        return channel.queueDeclare(unique("queue"), false, true, false, arguments).getQueue();
    }

    String queue() throws IOException {
        return queue(null);
    }

    String exchange(String kind) throws IOException {
        String name = unique(kind);
        channel.exchangeDeclare(name, kind, false, true, null);
        return name;
    }

    /** Publishes and waits for the confirm; whether it was an ack. */
    boolean publish(String exchange, String key, BasicProperties properties, byte[] body) throws Exception {
        publisher.basicPublish(exchange, key, properties, body);
        return publisher.waitForConfirms(EVENT_MS);
    }

    void put(String queue, String... bodies) throws Exception {
        for (String body : bodies) {
            ok(publish("", queue, null, bytes(body)), "the broker nacked " + body);
        }
    }

    String consume(Channel on, String queue, boolean autoAck, String tag) throws IOException {
        return on.basicConsume(queue, autoAck, tag, (t, delivery) -> inbox.add(delivery), t -> { });
    }

    String consume(String queue, boolean autoAck) throws IOException {
        return consume(channel, queue, autoAck, "");
    }

    /** The next messages of the consumers, exactly so many. */
    List<Delivery> receive(int count) throws Exception {
        List<Delivery> got = new ArrayList<>();
        while (got.size() < count) {
            Delivery next = inbox.poll(EVENT_MS, TimeUnit.MILLISECONDS);
            ok(next != null, "timed out: message " + (got.size() + 1) + " of " + count);
            got.add(next);
        }
        // A round trip flushes out anything that was sent beyond them.
        channel.basicQos(0);
        equal(inbox.size(), 0, "further deliveries");
        return got;
    }

    /** Takes a message that must be there with basic.get. */
    GetResponse get(String queue, boolean autoAck) throws IOException {
        GetResponse got = channel.basicGet(queue, autoAck);
        ok(got != null, "basic.get found nothing on " + queue);
        return got;
    }

    /** Takes everything that is ready with basic.get. */
    String drain(String queue) throws IOException {
        List<String> all = new ArrayList<>();
        for (GetResponse got = channel.basicGet(queue, true); got != null; got = channel.basicGet(queue, true)) {
            all.add(text(got.getBody()));
        }
        return String.join(" ", all);
    }

    DeclareOk counts(String queue) throws IOException {
        return channel.queueDeclarePassive(queue);
    }

    int ready(String queue) throws IOException {
        return counts(queue).getMessageCount();
    }

    /** Runs an action that must close its channel with this code and text. */
    void refused(int code, String words, Action action) throws Exception {
        Channel own = connection.createChannel();
        CompletableFuture<ShutdownSignalException> closed = new CompletableFuture<>();
        own.addShutdownListener(closed::complete);
        try {
            action.on(own);
        } catch (IOException | AlreadyClosedException expected) {
            // The shutdown signal below says more.
        }
        ShutdownSignalException signal;
        try {
            signal = closed.get(EVENT_MS, TimeUnit.MILLISECONDS);
        } catch (java.util.concurrent.TimeoutException none) {
            throw new AssertionError("accepted, expected " + code + " " + words);
        }
        Method reason = signal.getReason();
        ok(reason instanceof com.rabbitmq.client.AMQP.Channel.Close, "closed with " + reason);
        var close = (com.rabbitmq.client.AMQP.Channel.Close) reason;
        equal(close.getReplyCode(), code, "reply code (" + close.getReplyText() + ")");
        ok(close.getReplyText().contains(words), "reply text is " + close.getReplyText() + ", not " + words);
        ok(connection.isOpen(), "the connection was closed too");
        connection.createChannel().close();
    }

    /** The x-death entry of a message that died once. */
    static Map<?, ?> death(Delivery message, String queue, String reason) {
        Map<?, ?> headers = (Map<?, ?>) plain(message.getProperties().getHeaders());
        List<?> list = (List<?>) headers.get("x-death");
        ok(list != null && list.size() == 1, "x-death is " + list);
        Map<?, ?> death = (Map<?, ?>) list.get(0);
        equal(death.get("queue"), queue, "x-death queue");
        equal(death.get("reason"), reason, "x-death reason");
        equal(death.get("count"), 1L, "x-death count");
        equal(death.get("exchange"), "", "x-death exchange");
        equal(death.get("routing-keys"), List.of(queue), "x-death routing-keys");
        ok(death.get("time") instanceof java.util.Date, "x-death time is " + death.get("time"));
        equal(headers.get("x-first-death-queue"), queue, "x-first-death-queue");
        equal(headers.get("x-first-death-reason"), reason, "x-first-death-reason");
        equal(headers.get("x-first-death-exchange"), "", "x-first-death-exchange");
        return death;
    }
}
