package conformance;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The features of a broker, seen through amqp-client. Each check prints one line of JSON. */
public final class Main {
    /** Longest time that a check may take. */
    private static final long CHECK_S = 30;

    /** One feature; it gets a connection of its own. */
    interface Check {
        void run(Session s) throws Exception;
    }

    private static Map<String, Check> checks() {
        Map<String, Check> checks = new LinkedHashMap<>();
        checks.put("connect", Messages::connect);
        checks.put("heartbeat", Messages::heartbeat);
        checks.put("close", Messages::close);
        checks.put("publish", Messages::publish);
        checks.put("consume", Messages::consume);
        checks.put("confirm", Messages::confirm);
        checks.put("return", Messages::returned);
        checks.put("qos", Messages::qos);
        checks.put("get", Messages::get);
        checks.put("nack", Messages::nack);
        checks.put("recover", Messages::recover);
        checks.put("tx", Messages::tx);
        checks.put("exchange", Topology::exchange);
        checks.put("queue", Topology::queue);
        for (String kind : List.of("direct", "fanout", "topic", "headers")) {
            checks.put(kind, s -> Topology.routing(s, kind));
        }
        checks.put("big-body", Messages::bigBody);
        checks.put("errors", Topology::errors);
        checks.put("cancel", Extensions::cancel);
        checks.put("ttl", Extensions::ttl);
        checks.put("max-length", Extensions::maxLength);
        checks.put("priority", Extensions::priority);
        checks.put("reply-to", Extensions::replyTo);
        return checks;
    }

    /** Runs one check in bounded time; an empty text means that it passed. */
    private static String perform(ExecutorService threads, Check check) throws InterruptedException {
        Future<?> done = threads.submit(() -> {
            try (Session s = new Session()) {
                check.run(s);
            }
            return null;
        });
        try {
            done.get(CHECK_S, TimeUnit.SECONDS);
            return "";
        } catch (TimeoutException error) {
            return "the check took more than " + CHECK_S + " s";
        } catch (ExecutionException error) {
            return describe(error.getCause());
        }
    }

    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            text.append(text.isEmpty() ? "" : ": ").append(cause);
        }
        List<String> places = new ArrayList<>();
        for (StackTraceElement place : error.getStackTrace()) {
            if (place.getClassName().startsWith("conformance.") && !place.getClassName().contains("Session")) {
                places.add(place.getFileName() + ":" + place.getLineNumber());
            }
        }
        return text + (places.isEmpty() ? "" : " (" + places.get(0) + ")");
    }

    private static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    public static void main(String[] wanted) throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        boolean passed = true;
        for (Map.Entry<String, Check> check : checks().entrySet()) {
            if (wanted.length > 0 && !List.of(wanted).contains(check.getKey())) {
                continue;
            }
            String detail = perform(threads, check.getValue());
            passed &= detail.isEmpty();
            System.out.printf("{\"client\": \"amqp-client\", \"feature\": %s, \"ok\": %s, \"detail\": %s}%n",
                    json(check.getKey()), detail.isEmpty(), json(detail));
        }
        // A check that hangs must not keep the program alive.
        System.exit(passed ? 0 : 1);
    }
}
