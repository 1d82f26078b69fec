"""Topic permissions of `topical`, who may do everything else: keys of one exchange, which each scenario has for itself."""

from scenario import scenario


def restricted(s, write="", read="", kind="topic"):
    """A channel of the user, and an exchange for whose keys there are these patterns."""
    exchange = s.name("x")
    channel = s.channel(user="topical")
    channel.exchange(exchange, kind)
    # Nobody takes it back: the API takes all of a user's away at once, and other scenarios run beside.
    s.api.call("PUT", "topic-permissions", "/", "topical",
               body={"exchange": exchange, "write": write, "read": read})
    return channel, exchange


def another(channel):
    """The next channel, after one was closed."""
    return channel.connection.channel(channel.number + 1)


for label, key in (("allowed", "orders.new"), ("other", "stock.new"), ("empty", ""), ("part-of-it", "xorders.new")):
    @scenario(f"topic-permission/publish-{label}")
    def publish(s, key=key, label=label):
        channel, exchange = restricted(s, write="^orders\\.")
        queue = channel.queue(s.name("q"))
        s.channel().bind(queue, exchange, "#")
        channel.publish(exchange, key, "x")
        channel.failed()
        another(channel).await_count(queue, 1 if label == "allowed" else 0)

    @scenario(f"topic-permission/bind-{label}")
    def bind(s, key=key):
        channel, exchange = restricted(s, read="^orders\\.")
        queue = channel.queue(s.name("q"))
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=key)

    @scenario(f"topic-permission/unbind-{label}")
    def unbind(s, key=key):
        channel, exchange = restricted(s, read="^orders\\.")
        queue = channel.queue(s.name("q"))
        s.channel().bind(queue, exchange, key)
        channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key=key)


for pattern in ("#", "*.new", "orders.#", "orders.*"):
    @scenario(f"topic-permission/bind-pattern-{pattern.replace('#', 'hash').replace('*', 'star')}")
    def bind_pattern(s, pattern=pattern):
        channel, exchange = restricted(s, read="^orders\\.")
        queue = channel.queue(s.name("q"))
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=pattern)


for header in ("CC", "BCC"):
    for label, key in (("allowed", "orders.more"), ("other", "stock.more")):
        @scenario(f"topic-permission/publish-{header.lower()}-{label}")
        def publish_copy(s, header=header, key=key):
            channel, exchange = restricted(s, write="^orders\\.")
            channel.publish(exchange, "orders.new", "x", headers={header: [key]})
            channel.failed()


@scenario("topic-permission/publish-to-a-direct-exchange")
def direct(s):
    channel, exchange = restricted(s, write="^orders\\.", kind="direct")
    channel.publish(exchange, "stock.new", "x")
    channel.failed()


@scenario("topic-permission/publish-with-empty-patterns")
def empty_patterns(s):
    channel, exchange = restricted(s)
    channel.publish(exchange, "orders.new", "x")
    channel.failed()


@scenario("topic-permission/bind-exchange")
def bind_exchange(s):
    channel, exchange = restricted(s, read="^orders\\.")
    other = channel.exchange(s.name("y"), "fanout")
    channel.call("exchange.bind", destination=other, source=exchange, routing_key="orders.new")
    channel.call("exchange.bind", destination=other, source=exchange, routing_key="stock.new")


for variable, key in (("{username}", "topical.new"), ("{username}", "other.new"), ("{vhost}", "/.new")):
    @scenario(f"topic-permission/variable-{variable.strip('{}')}-{key.replace('/', 'slash')}")
    def variables(s, variable=variable, key=key):
        channel, exchange = restricted(s, write=f"^{variable}\\.")
        channel.publish(exchange, key, "x")
        channel.failed()


@scenario("topic-permission/others-are-not-restricted")
def others(s):
    _, exchange = restricted(s, write="^orders\\.")
    channel = s.channel()
    channel.publish(exchange, "stock.new", "x")
    channel.failed()


@scenario("topic-permission/changed-on-a-living-channel")
def changed(s):
    channel, exchange = restricted(s, write=".*")
    channel.publish(exchange, "stock.new", "x")
    channel.sync()
    s.api.call("PUT", "topic-permissions", "/", "topical",
               body={"exchange": exchange, "write": "^orders\\.", "read": ".*"})
    # Another channel: RabbitMQ's keeps its decisions for a while.
    channel = another(channel)
    channel.publish(exchange, "stock.new", "x")
    channel.failed()


for label, body in (("pattern-that-is-none", {"write": "(", "read": ".*"}), ("without-patterns", {})):
    @scenario(f"topic-permission/api-{label}")
    def refused(s, body=body):
        s.api.call("PUT", "topic-permissions", "/", "topical", body={"exchange": s.name("x"), **body})
