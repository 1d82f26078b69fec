"""Every kind of bad input that is on the list has its scenario."""

import unittest

import scenario

ROWS = {
    "other protocol header, junk": ["handshake/header-0-9", "handshake/header-http", "handshake/header-zeros"],
    "handshake not done in 10 s": ["handshake/silence", "handshake/half-start-ok-then-silence"],
    "one byte a second": ["handshake/one-byte-a-second"],
    "connections that say nothing": ["handshake/many-silent-connections"],
    "half a frame": ["malformed/half-a-frame-then-close", "connection/half-a-frame-then-silence"],
    "wrong frame end": ["malformed/frame-end-wrong"],
    "size over frame_max": ["malformed/frame-over-limit", "malformed/frame-at-limit-and-8-more"],
    "unknown frame type": ["malformed/frame-type-unknown"],
    "heartbeat with payload, on a channel": ["malformed/on-channel-0-heartbeat-with-payload",
                                             "malformed/heartbeat-on-channel"],
    "header or body on channel 0": ["malformed/on-channel-0-header", "malformed/on-channel-0-body"],
    "connection method in the wrong state": ["handshake/second-start-ok", "handshake/tune-ok-before-start-ok"],
    "unknown class or method": ["malformed/class-unknown", "malformed/method-unknown"],
    "truncated arguments": ["malformed/method-truncated"],
    "malformed table, unknown type, depth over 32": ["malformed/table-unknown-type", "malformed/table-length-huge",
                                                     "malformed/table-nested-33", "malformed/table-nested-1000"],
    "short string not UTF-8": ["malformed/queue-name-not-utf8", "malformed/exchange-name-not-utf8"],
    "method before channel.open, on a closed channel": ["malformed/unopened-channel-method",
                                                        "malformed/closed-channel-method"],
    "second open": ["channel/open-twice", "handshake/second-open"],
    "too many channels": ["malformed/channel-over-the-limit", "malformed/channel-over-2047"],
    "content without a publish": ["malformed/content-header-without-publish", "malformed/content-body-without-publish"],
    "header of another class": ["malformed/content-header-class-other"],
    "method while a body is awaited": ["malformed/content-method-in-place-of-body"],
    "body over its announced size": ["malformed/content-body-too-long"],
    "body over max_message_size": ["malformed/content-over-max-message-size"],
    "unknown SASL mechanism": ["handshake/unknown-mechanism"],
    "wrong password": ["handshake/wrong-password"],
    "PLAIN without NULs": ["handshake/plain-without-nuls"],
    "tune-ok over the limits": ["handshake/tune-frame-max-larger", "handshake/tune-frame-max-4095",
                                "handshake/tune-channel-max-larger"],
    "missing vhost": ["handshake/open-missing-vhost"],
    "vhost or user limit": ["handshake/open-missing-vhost", "vhost-limit/max-connections", "user-limit/max-connections"],
    "immediate": ["publish/immediate"],
    "missing exchange or queue": ["publish/missing-exchange", "consume/missing-queue"],
    "internal exchange": ["exchange/publish-to-internal"],
    "no permission": ["permission/publish"],
    "no permission for a topic": ["topic-permission/publish-other"],
    "reserved names": ["permission/reserved-queue", "exchange/declare-reserved-new"],
    "unknown exchange type": ["exchange/declare-unknown-type"],
    "other arguments": ["exchange/inequivalent-internal", "queue/inequivalent-exclusive"],
    "mixing tx and confirm": ["confirm/then-tx", "tx/then-confirm"],
    "exclusive queue of another connection": ["exclusive/other-connection-consume", "exclusive/other-connection-declare"],
    "unknown or repeated delivery tag": ["settle/unknown-tag-basic.ack", "settle/twice-basic.ack"],
    "tag 0": ["settle/tag-0-basic.ack", "settle/tag-0-multiple-basic.ack"],
    "settling without acks": ["consume/no-ack"],
    "duplicate consumer tag": ["consume/duplicate-tag"],
    "prefetch_size not 0": ["qos/prefetch-size"],
    "recover without requeue": ["recover/not-requeue"],
    "flow off": ["channel/flow-off"],
    "bad expiration": ["publish/expiration-text", "publish/expiration-negative"],
    "user-id not the login": ["publish/user-id-of-another"],
    "runs of # against a long key": ["routing/topic-many-hashes"],
}


class BadInput(unittest.TestCase):
    def test_every_row_has_its_scenario(self):
        names = list(scenario.load())
        for row, wanted in ROWS.items():
            for name in wanted:
                with self.subTest(row=row):
                    self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main()
