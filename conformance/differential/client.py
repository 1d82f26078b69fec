"""A small blocking AMQP client that writes down all that it hears.

Its trace is what the differential run compares. It never invents an order
that the protocol doesn't promise: replies, deliveries of each consumer,
returns and confirms are kept apart, and each is written where a scenario
asks for it.
"""

import socket
import time

import wire
from api import Api
from trace import Event, Trace, show_body, show_fields, show_properties, show_range

REPLY_TIMEOUT_S = 5.0
# What a server sends unasked; everything else on a channel is a reply.
UNASKED = {"basic.deliver", "basic.return", "basic.ack", "basic.nack", "basic.cancel", "channel.flow"}


class Gone(Exception):
    """The channel or connection that a step needs is closed."""


def plain_names(fields):
    """Python's keyword arguments to the specification's field names."""
    return {key.rstrip("_").replace("_", "-"): value for key, value in fields.items()}


class Connection:
    def __init__(self, trace, label, address):
        self.trace, self.label = trace, label
        self.socket = socket.create_connection(address, timeout=REPLY_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.channels = {}
        self.control = []
        self.eof = False
        self.closing = False
        self.tuned = None
        self.partial = {}
        self.heartbeats = 0
        self.largest_frame = 0
        self.answer_close = True
        self.opened = False
        self.end_noted = False

    # Sending

    def send(self, data):
        try:
            self.socket.settimeout(REPLY_TIMEOUT_S * 4)
            self.socket.sendall(data)
        except OSError:
            # The peer hung up; what it had said before is read later.
            pass

    def frame(self, kind, channel, payload, **malformed):
        self.send(wire.frame(kind, channel, payload, **malformed))

    def method(self, channel, name, **fields):
        self.frame(wire.FRAME_METHOD, channel, wire.method_payload(name, plain_names(fields)))

    def say(self, name, **fields):
        """Sends a method of the connection class and writes it down."""
        self.trace.add(f"{self.label}/0 > {show_fields(name, plain_names(fields), sent=True)}")
        self.method(0, name, **fields)

    # Receiving

    def pump(self, deadline):
        """Takes in one frame; False at the deadline or the end of the stream."""
        while not self.eof:
            taken = self._split()
            if taken is not None:
                self._dispatch(*taken)
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(262144)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            if not data:
                self.eof = True
            self.buffer += data
        return False

    def _split(self):
        buffer = self.buffer
        if buffer[:4] == b"AMQP" and len(buffer) >= 8:
            header = bytes(buffer[:8])
            del buffer[:8]
            return -1, 0, header
        if len(buffer) < 7:
            return None
        kind, channel = buffer[0], int.from_bytes(buffer[1:3], "big")
        size = int.from_bytes(buffer[3:7], "big")
        if len(buffer) < size + 8:
            return None
        payload, end = bytes(buffer[7:7 + size]), buffer[7 + size]
        del buffer[:size + 8]
        if end != wire.FRAME_END:
            self.trace.add(f"{self.label} < frame with end byte {end:#x}")
        self.largest_frame = max(self.largest_frame, size + 8)
        return kind, channel, payload

    def _dispatch(self, kind, channel, payload):
        if kind == -1:
            self._arrived(0, Event("protocol-header", {"raw": payload.hex()}))
        elif kind == wire.FRAME_HEARTBEAT:
            self.heartbeats += 1
        elif kind == wire.FRAME_METHOD:
            event = Event(*wire.decode_method(payload))
            if event.name in wire.WITH_CONTENT:
                self.partial[channel] = [event, None]
            else:
                self._arrived(channel, event)
        elif kind == wire.FRAME_HEADER and channel in self.partial:
            event = self.partial[channel][0]
            class_id, size, event.properties = wire.decode_header(payload)
            if class_id != 60:
                self.trace.add(f"{self.label}/{channel} < header of class {class_id}")
            event.body = b""
            self.partial[channel][1] = size
            self._content_done(channel)
        elif kind == wire.FRAME_BODY and channel in self.partial:
            self.partial[channel][0].body += payload
            self._content_done(channel)
        else:
            self.trace.add(f"{self.label}/{channel} < stray frame type {kind} {payload[:40].hex()}")

    def _content_done(self, channel):
        event, size = self.partial[channel]
        if len(event.body) >= size:
            del self.partial[channel]
            self._arrived(channel, event)

    def _arrived(self, channel, event):
        if channel and channel in self.channels:
            self.channels[channel].events.append(event)
            if event.name == "channel.close":
                self.channels[channel].open = False
                self.method(channel, "channel.close-ok")
            return
        if channel:
            self.trace.add(f"{self.label}/{channel} < on a channel that isn't open: {event!r}")
            if event.name == "channel.close":
                self.method(channel, "channel.close-ok")
            return
        self.control.append(event)
        if event.name == "connection.open-ok":
            self.opened = True
        if event.name == "connection.close-ok":
            self.closing = True
        if event.name == "connection.close":
            self.closing = True
            if self.answer_close:
                self.method(0, "connection.close-ok")

    def hear_close_ok(self):
        """Reads to close-ok; the server may leave it to us to hang up."""
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while not any(event.name == "connection.close-ok" for event in self.control) and self.pump(deadline):
            pass
        for channel in list(self.channels.values()):
            channel.write_rest()
        while self.control:
            self.trace.add(f"{self.label}/0 < {self.control.pop(0)!r}")

    def take_control(self, seconds=REPLY_TIMEOUT_S):
        """The next event of channel 0, or None at the end or the deadline."""
        deadline = time.monotonic() + seconds
        while not self.control:
            if not self.pump(deadline):
                break
        return self.control.pop(0) if self.control else None

    def hear(self, seconds=REPLY_TIMEOUT_S):
        """Writes down the next event of channel 0, or why there is none."""
        event = self.take_control(seconds)
        if event is not None:
            self.trace.add(f"{self.label}/0 < {event!r}")
        else:
            self.note_end("nothing")
        return event

    def note_end(self, otherwise):
        """Writes down the end of the stream, once, or what stands in its place."""
        if not self.end_noted:
            self.trace.add(f"{self.label} < {'end of stream' if self.eof else otherwise}")
        self.end_noted = self.eof

    def hear_close(self, seconds=REPLY_TIMEOUT_S):
        """Reads to the end of the stream and writes down all of channel 0."""
        deadline = time.monotonic() + seconds
        while self.pump(deadline):
            pass
        for channel in list(self.channels.values()):
            channel.write_rest()
        while self.control:
            self.trace.add(f"{self.label}/0 < {self.control.pop(0)!r}")
        self.note_end("still open")
        self.closing = True

    # Handshake and life

    def handshake(self, user="guest", password=None, vhost="/", capabilities=None, **tune):
        """Up to open-ok; anything else is written down and ends the scenario."""
        self.send(wire.PROTOCOL_HEADER)
        self.expect("connection.start")
        if capabilities is None:
            capabilities = {
                "publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True,
                "consumer_cancel_notify": True, "connection.blocked": True,
                "authentication_failure_close": True,
            }
        secret = password if password is not None else user
        self.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US",
                    response=f"\0{user}\0{secret}".encode(),
                    client_properties={"product": "differential", "capabilities": capabilities})
        self.tuned = self.expect("connection.tune").fields
        answer = {"channel-max": self.tuned["channel-max"], "frame-max": self.tuned["frame-max"], "heartbeat": 0}
        answer.update(plain_names(tune))
        self.frame(wire.FRAME_METHOD, 0, wire.method_payload("connection.tune-ok", answer))
        self.tuned = answer
        self.method(0, "connection.open", virtual_host=vhost)
        self.expect("connection.open-ok")
        return self

    def expect(self, name):
        event = self.take_control()
        if event is None or event.name != name:
            self.trace.add(f"{self.label}/0 < {event!r} in place of {name}")
            raise Gone(f"no {name}")
        return event

    def channel(self, number=None, quiet=True):
        """Opens a channel; written down only if it fails, or if not `quiet`."""
        number = number if number is not None else max(self.channels, default=0) + 1
        channel = self.channels[number] = Channel(self, number)
        channel.call("channel.open", quiet=quiet)
        return channel

    def close(self):
        """Closes in order; written down only if that goes wrong."""
        if self.closing or self.eof or not self.opened:
            return
        self.method(0, "connection.close", reply_code=200, reply_text="bye")
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while self.pump(deadline):
            if any(event.name == "connection.close-ok" for event in self.control):
                break
        names = [event.name for event in self.control]
        if names != ["connection.close-ok"]:
            self.trace.add(f"{self.label}/0 < at close: {self.control!r}")
        self.control.clear()
        self.drop()

    def drop(self):
        """Ends the connection without a word, as a crashed client does."""
        self.eof = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class Channel:
    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.trace = connection.trace
        self.events = []
        self.open = True
        self.confirming, self.settled = False, 0
        self.label = f"{connection.label}/{number}"

    # Sending

    def note_sent(self, name, fields, extra=""):
        self.trace.add(f"{self.label} > {show_fields(name, fields, sent=True)}{extra}")

    def cast(self, name, quiet=False, **fields):
        """Sends a method that has no reply."""
        fields = plain_names(fields)
        self._alive()
        if name == "queue.declare" and fields.get("queue") and not fields.get("exclusive"):
            self.trace.declared[0].add(fields["queue"])
        if name == "exchange.declare" and not fields.get("passive"):
            self.trace.declared[1].add(fields["exchange"])
        if not quiet:
            self.note_sent(name, fields)
        self.connection.frame(wire.FRAME_METHOD, self.number, wire.method_payload(name, fields))

    def call(self, name, quiet=False, **fields):
        """Sends a method, waits for its reply and writes both down."""
        self.cast(name, quiet=quiet, **fields)
        reply = self.reply()
        if reply is None:
            self.write_absence(name)
        elif not quiet or not reply.name.startswith(name):
            self.trace.add(f"{self.label} < {reply!r}")
        return reply

    def _alive(self):
        if not self.open or self.connection.closing or self.connection.eof:
            raise Gone(f"{self.label} is closed")

    def reply(self, seconds=REPLY_TIMEOUT_S):
        return self.take(lambda event: event.name not in UNASKED, seconds)

    def take(self, wanted, seconds=REPLY_TIMEOUT_S):
        """The first event that is `wanted`, in order of arrival, or None."""
        deadline, seen = time.monotonic() + seconds, 0
        while True:
            for at in range(seen, len(self.events)):
                if wanted(self.events[at]):
                    return self.events.pop(at)
            seen = len(self.events)
            if self.connection.control and self.connection.closing:
                return None
            if not self.connection.pump(deadline):
                return None if len(self.events) == seen else self.take(wanted, 0)

    def write_absence(self, awaited):
        """What stands in the place of an event that didn't come."""
        connection = self.connection
        if connection.closing or connection.eof:
            connection.hear_close()
        else:
            self.trace.add(f"{self.label} < nothing, awaiting {awaited}")

    def publish(self, exchange="", key="", body=b"", quiet=False, chunk=None, **options):
        """Publishes; `mandatory` and `immediate` are flags, the rest properties."""
        self._alive()
        flags = {flag: options.pop(flag) for flag in ("mandatory", "immediate") if flag in options}
        properties = plain_names(options)
        body = body.encode() if isinstance(body, str) else body
        fields = {"exchange": exchange, "routing-key": key, **flags}
        if not quiet:
            self.note_sent("basic.publish", fields, f" | {show_properties(properties)} | {show_body(body)}")
        limit = chunk or (self.connection.tuned["frame-max"] or 131072) - 8
        data = wire.frame(1, self.number, wire.method_payload("basic.publish", fields))
        data += wire.frame(2, self.number, wire.header_payload(len(body), properties))
        for at in range(0, len(body), limit):
            data += wire.frame(3, self.number, body[at:at + limit])
        self.connection.send(data)

    def raw(self, kind, payload, note, **malformed):
        """Sends one frame as given."""
        self.trace.add(f"{self.label} > {note}")
        self.connection.frame(kind, self.number, payload, **malformed)

    # What the scenarios ask for

    def sync(self, *queues):
        """Returns when the broker has handled all that was sent before.

        With queues named, also when they have handled it; what they deliver
        is then known to be here. RabbitMQ's queues answer a passive declare
        ahead of publishes that wait, so one question is not enough.
        """
        for queue in queues * 3:
            self.call("queue.declare", quiet=True, queue=queue, passive=True)
        reply = self.call("exchange.declare", quiet=True, exchange="amq.direct", type="direct", passive=True)
        return reply is not None and reply.name == "exchange.declare-ok"

    def failed(self):
        """After something that should have closed the channel or connection."""
        self.sync()

    def deliveries(self, tag, count):
        """Waits for `count` deliveries to consumer `tag` and writes them down."""
        got = []
        for _ in range(count):
            event = self.take(lambda event: event.name == "basic.deliver" and event["consumer-tag"] == tag)
            if event is None:
                self.write_absence(f"delivery {len(got) + 1} of {count} to {tag}")
                break
            self.trace.add(f"{self.label} < {event!r}")
            got.append(event)
        return got

    def nothing(self, *queues):
        """Writes down that nothing came, or what did."""
        self.sync(*queues)
        if not self.write_rest():
            self.trace.add(f"{self.label} < nothing more")

    def unasked(self, name):
        """Waits for a return, cancel or flow and writes it down."""
        event = self.take(lambda event: event.name == name)
        if event is None:
            self.write_absence(name)
        else:
            self.trace.add(f"{self.label} < {event!r}")
        return event

    def confirms(self, first, last):
        """Waits until every publish of the range is settled; writes which way."""
        open_tags, acked, nacked = set(range(first, last + 1)), set(), set()
        while open_tags:
            event = self.take(lambda event: event.name in ("basic.ack", "basic.nack"))
            if event is None:
                self.write_absence(f"confirms of {sorted(open_tags)}")
                break
            tag = event["delivery-tag"]
            tags = {known for known in open_tags if known <= tag} if event["multiple"] else {tag} & open_tags
            if not tags:
                self.trace.add(f"{self.label} < settles nothing: {event!r}")
            open_tags -= tags
            (acked if event.name == "basic.ack" else nacked).update(tags)
        self.trace.add(f"{self.label} < confirmed {show_range(acked)} refused {show_range(nacked)}")

    def publish_all(self, queue, *published):
        """Publishes (body, properties) to a queue and waits for the confirms."""
        if not self.confirming:
            self.call("confirm.select", quiet=True)
            self.confirming = True
        for body, properties in published:
            self.publish("", queue, body, **properties)
        open_tags = set(range(self.settled + 1, self.settled + len(published) + 1))
        self.settled += len(published)
        while open_tags:
            event = self.take(lambda event: event.name in ("basic.ack", "basic.nack"))
            if event is None:
                return self.write_absence("a confirm")
            if event.name == "basic.nack":
                self.trace.add(f"{self.label} < {event!r}")
            tag, many = event["delivery-tag"], event["multiple"]
            open_tags = {one for one in open_tags if one != tag and not (many and one < tag)}

    def await_count(self, queue, count, seconds=REPLY_TIMEOUT_S):
        """Asks until the queue has `count` ready messages; writes the last answer."""
        deadline = time.monotonic() + seconds
        while True:
            self.cast("queue.declare", quiet=True, queue=queue, passive=True)
            reply = self.reply()
            if reply is None or reply.name != "queue.declare-ok":
                break
            if reply["message-count"] == count or time.monotonic() > deadline:
                break
            time.sleep(0.003)
        if reply is None:
            self.write_absence("queue.declare-ok")
        else:
            self.trace.add(f"{self.label} < {reply!r}")
        return reply

    def await_gone(self, queue, seconds=REPLY_TIMEOUT_S):
        """Asks on channels of its own until the queue doesn't exist."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            probe = self.connection.channel(900 + len(self.connection.channels))
            probe.cast("queue.declare", quiet=True, queue=queue, passive=True)
            reply = probe.reply()
            if reply is None or reply.name == "channel.close":
                self.trace.add(f"{self.label} < gone: {reply!r}")
                return
            probe.call("channel.close", quiet=True)
            probe.open = False
            time.sleep(0.003)
        self.trace.add(f"{self.label} < {queue} is still there")

    def await_gone_untouched(self, queue, seconds=REPLY_TIMEOUT_S):
        """Asks by mandatory publishes, which don't count as use, until one comes back."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.publish("", queue, "probe", quiet=True, mandatory=True)
            self.sync()
            if any(event.name == "basic.return" for event in self.events):
                self.events.clear()
                self.trace.add(f"{self.label} < {queue} is gone")
                return
            time.sleep(0.003)
        self.trace.add(f"{self.label} < {queue} is still there")

    def write_rest(self):
        """Writes down what nobody asked for, grouped so that order is certain."""
        groups = {}
        for event in self.events:
            key = event.name
            if key == "basic.deliver":
                key += " " + event["consumer-tag"]
            groups.setdefault(key, []).append(event)
        self.events.clear()
        for key in sorted(groups):
            for event in groups[key]:
                self.trace.add(f"{self.label} < unasked: {event!r}")
        return bool(groups)

    # Shorthands

    def queue(self, name="", quiet=True, **fields):
        arguments = fields.pop("arguments", None)
        reply = self.call("queue.declare", quiet=quiet, queue=name, arguments=arguments or {}, **fields)
        return reply["queue"] if reply and reply.name == "queue.declare-ok" else name

    def exchange(self, name, kind="direct", quiet=True, **fields):
        self.call("exchange.declare", quiet=quiet, exchange=name, type=kind, **fields)
        return name

    def bind(self, queue, exchange, key="", quiet=True, **arguments):
        self.call("queue.bind", quiet=quiet, queue=queue, exchange=exchange, routing_key=key, **arguments)

    def consume(self, queue, tag, quiet=True, **fields):
        self.call("basic.consume", quiet=quiet, queue=queue, consumer_tag=tag, **fields)
        return tag

    def get(self, queue, **fields):
        return self.call("basic.get", queue=queue, **fields)

    def drain(self, queue, limit=50):
        """Gets everything, oldest first, without acks; writes each."""
        got = []
        while len(got) < limit:
            reply = self.call("basic.get", queue=queue, no_ack=True)
            if reply is None or reply.name != "basic.get-ok":
                break
            got.append(reply)
        return got

    def close(self, quiet=True):
        reply = self.call("channel.close", quiet=quiet, reply_code=200, reply_text="bye")
        self.open = False
        return reply


class Session:
    """What a scenario function gets: names of its own, and connections."""

    def __init__(self, broker, prefix):
        self.broker, self.prefix = broker, prefix
        self.trace = Trace(prefix)
        self.connections = []
        self.api = Api(broker, self.trace)

    def name(self, short):
        return self.prefix + short

    def raw(self):
        """A socket on which nothing was said."""
        label = f"c{len(self.connections) + 1}"
        connection = Connection(self.trace, label, (self.broker.host, self.broker.port))
        self.connections.append(connection)
        return connection

    def connect(self, **options):
        return self.raw().handshake(**options)

    def channel(self, **options):
        """A channel on a connection of its own."""
        return self.connect(**options).channel()

    def note(self, text):
        self.trace.add(f"# {text}")

    def finish(self):
        """Writes down what came unasked and closes in order."""
        for connection in self.connections:
            for channel in list(connection.channels.values()):
                try:
                    if channel.open and not connection.closing:
                        channel.sync()
                except Gone:
                    pass
                channel.write_rest()
        for connection in self.connections:
            connection.close()
            for event in connection.control:
                self.trace.add(f"{connection.label}/0 < unasked: {event!r}")
            connection.drop()
