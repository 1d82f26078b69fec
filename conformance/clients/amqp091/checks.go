package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var checks = []struct {
	feature string
	body    func(*session)
}{
	{"connect", connect},
	{"heartbeat", heartbeat},
	{"close", closing},
	{"publish", publish},
	{"consume", consume},
	{"confirm", confirm},
	{"return", returned},
	{"qos", qos},
	{"get", get},
	{"nack", nack},
	{"recover", recovered},
	{"tx", tx},
	{"exchange", exchangeLifeCycle},
	{"queue", queueLifeCycle},
	{"direct", routing("direct")},
	{"fanout", routing("fanout")},
	{"topic", routing("topic")},
	{"headers", routing("headers")},
	{"big-body", bigBody},
	{"errors", refusals},
	{"cancel", cancelled},
	{"ttl", ttl},
	{"max-length", maxLength},
	{"priority", priority},
	{"reply-to", replyTo},
}

var capabilities = []string{
	"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
	"connection.blocked", "consumer_priorities", "authentication_failure_close",
	"per_consumer_qos", "direct_reply_to",
}

func connect(s *session) {
	for _, name := range []string{"product", "version", "platform", "copyright", "information"} {
		text, isText := s.connection.Properties[name].(string)
		ok(isText && text != "", "server property %s is %v", name, s.connection.Properties[name])
	}
	table, isTable := s.connection.Properties["capabilities"].(amqp.Table)
	ok(isTable, "no capabilities")
	for _, name := range capabilities {
		equal(table[name], true, "capability "+name)
	}
	ok(s.connection.Config.ChannelMax > 0, "channel_max %d", s.connection.Config.ChannelMax)
	ok(s.connection.Config.FrameSize >= 8192, "frame_max %d", s.connection.Config.FrameSize)
	wrong := must1(amqp.ParseURI(url))
	wrong.Password = unique("password")
	_, err := amqp.Dial(wrong.String())
	var refusal *amqp.Error
	ok(errors.As(err, &refusal), "a wrong password gives %v", err)
	equal(refusal.Code, 403, "reply code for a wrong password")
}

func heartbeat(*session) {
	connection := must1(amqp.DialConfig(url, amqp.Config{Heartbeat: time.Second}))
	defer connection.Close()
	equal(connection.Config.Heartbeat, time.Second, "negotiated heartbeat")
	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	// The client closes the connection when it reads nothing for three intervals after a frame.
	must(must1(connection.Channel()).Close())
	select {
	case reason := <-closed:
		fail("closed while only heartbeats were exchanged: %v", reason)
	case <-time.After(5 * time.Second):
	}
	must(must1(connection.Channel()).Close())
}

func closing(watcher *session) {
	s := open()
	kept := must1(watcher.channel.QueueDeclare(unique("queue"), false, false, false, false, nil)).Name
	exclusive := s.queue(nil)
	s.put(kept, "unacked")
	s.consume(s.channel, kept, "", false)
	s.receive(1)
	watcher.consume(watcher.channel, kept, "", false)
	must(s.connection.Close())
	message := watcher.receive(1)[0]
	equal(string(message.Body), "unacked", "message of the closed connection")
	ok(message.Redelivered, "the redelivered flag is not set")
	must1(watcher.channel.QueueDelete(kept, false, false, false))
	watcher.refused(404, "NOT_FOUND", func(c *amqp.Channel) error {
		_, err := c.QueueDeclarePassive(exclusive, false, false, true, false, nil)
		return err
	})
}

func publish(s *session) {
	moment := time.Unix(1709208001, 0)
	headers := amqp.Table{
		"byte": uint8(200), "int8": int8(-5), "int16": int16(-300), "uint16": uint16(40000),
		"int32": int32(-70000), "uint32": uint32(4294967295), "int64": int64(-1 << 40),
		"float": float32(-0.5), "double": 3.141592653589793, "true": true, "false": false,
		"text": "gr\u00fc\u00df", "empty": "", "bytes": []byte{0, 255, 254}, "nothing": nil,
		"time": moment, "decimal": amqp.Decimal{Scale: 2, Value: -314},
		"table":    amqp.Table{"inner": amqp.Table{"deep": []any{int32(1), "two", amqp.Table{"three": int32(3)}}}},
		"array":    []any{int32(1), "a", true, nil, []any{int64(2)}, amqp.Table{"k": "v"}},
		"no table": amqp.Table{}, "no array": []any{},
	}
	queue := s.queue(nil)
	user := must1(amqp.ParseURI(url)).Username
	s.publish("", queue, amqp.Publishing{
		Headers: headers, ContentType: "application/json", ContentEncoding: "utf-8",
		DeliveryMode: amqp.Persistent, Priority: 7, CorrelationId: "correlation", ReplyTo: "reply",
		Expiration: "60000", MessageId: "message", Timestamp: moment, Type: "kind", UserId: user,
		AppId: "application", Body: []byte("body"),
	})
	s.publish("", queue, amqp.Publishing{})
	s.consume(s.channel, queue, "", false)
	got := s.receive(2)
	full, bare := got[0], got[1]
	for name, value := range headers {
		there, found := full.Headers[name]
		ok(found, "header %s is missing", name)
		if list, isList := there.([]any); isList && len(list) == 0 {
			there = []any{} // the client decodes an empty array as a nil slice
		}
		equal(there, value, "header "+name)
	}
	equal(len(full.Headers), len(headers), "number of headers")
	equal([]any{full.ContentType, full.ContentEncoding, full.DeliveryMode, full.Priority,
		full.CorrelationId, full.ReplyTo, full.Expiration, full.MessageId, full.Timestamp,
		full.Type, full.UserId, full.AppId, string(full.Body), full.Exchange, full.RoutingKey},
		[]any{"application/json", "utf-8", amqp.Persistent, uint8(7), "correlation", "reply",
			"60000", "message", moment, "kind", user, "application", "body", "", queue}, "properties")
	equal([]any{bare.ContentType, bare.ContentEncoding, bare.DeliveryMode, bare.Priority,
		bare.CorrelationId, bare.ReplyTo, bare.Expiration, bare.MessageId, bare.Timestamp.IsZero(),
		bare.Type, bare.UserId, bare.AppId, len(bare.Body), len(bare.Headers)},
		[]any{"", "", uint8(0), uint8(0), "", "", "", "", true, "", "", "", 0, 0}, "absent properties")
}

func consume(s *session) {
	queue := s.queue(nil)
	var sent []string
	for i := 0; i < 100; i++ {
		sent = append(sent, fmt.Sprint("m", i))
	}
	s.put(queue, sent[:50]...)
	s.consume(s.channel, queue, "my tag", true)
	s.put(queue, sent[50:]...)
	got := s.receive(100)
	equal(bodies(got), strings.Join(sent, " "), "order")
	for i, message := range got {
		equal(message.ConsumerTag, "my tag", "consumer tag")
		equal(message.DeliveryTag, uint64(i+1), "delivery tag")
		ok(!message.Redelivered, "message %d is marked as redelivered", i)
	}
	must(s.channel.Cancel("my tag", false))
	s.put(queue, "later")
	equal(s.ready(queue), 1, "messages ready after cancel")
}

func confirm(s *session) {
	queue := s.queue(nil)
	s.put(queue, "one")
	equal(s.ready(queue), 1, "messages after a confirm")
	confirms := s.publisher.NotifyPublish(make(chan amqp.Confirmation, 501))
	for i := 0; i < 500; i++ {
		must(s.publisher.Publish("", queue, false, false, amqp.Publishing{}))
	}
	for i := 0; i < 500; i++ {
		equal(take(confirms, "confirm"), amqp.Confirmation{DeliveryTag: uint64(i + 2), Ack: true}, "confirm")
	}
	equal(s.ready(queue), 501, "messages after many confirms")
	// Unbuffered: the client's reader hands over the events in the order in which they came.
	channel := must1(s.connection.Channel())
	must(channel.Confirm(false))
	returns := channel.NotifyReturn(make(chan amqp.Return))
	acks := channel.NotifyPublish(make(chan amqp.Confirmation))
	must(channel.Publish("", unique("nowhere"), true, false, amqp.Publishing{}))
	select {
	case message := <-returns:
		equal(message.ReplyCode, uint16(312), "reply code")
	case <-acks:
		fail("the ack came before the return")
	case <-time.After(eventLimit):
		fail("timed out: return")
	}
	equal(take(acks, "confirm").Ack, true, "confirm of a returned message")
}

func returned(s *session) {
	returns := s.channel.NotifyReturn(make(chan amqp.Return, 10))
	nowhere := unique("nowhere")
	must(s.channel.Publish("", nowhere, false, false, amqp.Publishing{Body: []byte("silent")}))
	must(s.channel.Publish("", nowhere, true, false, amqp.Publishing{MessageId: "42", Body: []byte("back")}))
	message := take(returns, "return")
	equal([]any{message.ReplyCode, message.ReplyText, message.Exchange, message.RoutingKey},
		[]any{uint16(312), "NO_ROUTE", "", nowhere}, "return")
	equal([]any{message.MessageId, string(message.Body)}, []any{"42", "back"}, "message")
	direct := s.exchange("direct")
	must(s.channel.Publish(direct, "key", true, false, amqp.Publishing{}))
	message = take(returns, "return")
	equal([]any{message.Exchange, message.RoutingKey}, []any{direct, "key"}, "exchange and routing key")
}

func qos(s *session) {
	queue := s.queue(nil)
	s.put(queue, strings.Split("abcdefgh", "")...)
	consumer := must1(s.connection.Channel())
	must(consumer.Qos(3, 0, false))
	s.consume(consumer, queue, "", false)
	first := s.receive(3)
	equal(s.ready(queue), 5, "messages held back")
	must(first[0].Ack(false))
	equal(bodies(s.receive(1)), "d", "next after one ack")
	must(first[2].Ack(true))
	equal(bodies(s.receive(2)), "e f", "next after a multiple ack")
	shared, other := must1(s.connection.Channel()), s.queue(nil)
	must(shared.Qos(2, 0, true))
	s.consume(shared, other, "", false)
	s.consume(shared, other, "", false)
	s.put(other, "a", "b", "c", "d")
	s.receive(2)
}

func get(s *session) {
	queue := s.queue(nil)
	equal(s.drain(queue), "", "get from an empty queue")
	for _, body := range []string{"a", "b", "c"} {
		s.publish("", queue, amqp.Publishing{Type: "kind", Body: []byte(body)})
	}
	message := s.get(queue, false)
	equal([]any{string(message.Body), message.MessageCount, message.Redelivered, message.Exchange,
		message.RoutingKey, message.Type}, []any{"a", uint32(2), false, "", queue, "kind"}, "first get-ok")
	must(message.Ack(false))
	equal(s.get(queue, true).MessageCount, uint32(1), "second get-ok")
	equal(s.get(queue, true).MessageCount, uint32(0), "third get-ok")
	equal(s.drain(queue), "", "get from a drained queue")
}

func nack(s *session) {
	target := s.queue(nil)
	queue := s.queue(amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target})
	s.put(queue, "a", "b", "c", "d")
	several := func(count int) (got []amqp.Delivery) {
		for len(got) < count {
			got = append(got, s.get(queue, false))
		}
		return got
	}
	taken := several(4)
	must(taken[1].Nack(true, true))
	must(taken[2].Reject(true))
	again := several(3)
	equal(bodies(again), "a b c", "requeued messages keep their place")
	for _, message := range again {
		ok(message.Redelivered, "%s is not marked as redelivered", message.Body)
	}
	must(taken[3].Ack(false))
	s.consume(s.channel, target, "", true)
	must(again[0].Reject(false))
	dead := s.receive(1)
	equal(bodies(dead), "a", "rejected message")
	checkDeath(dead[0], queue, "rejected")
	must(again[2].Nack(true, false))
	equal(bodies(s.receive(2)), "b c", "messages of a multiple nack")
	equal(s.ready(queue), 0, "messages left")
}

func checkDeath(message amqp.Delivery, queue, reason string) amqp.Table {
	list, isList := message.Headers["x-death"].([]any)
	ok(isList && len(list) == 1, "x-death is %v", message.Headers["x-death"])
	death, isTable := list[0].(amqp.Table)
	ok(isTable, "x-death entry is %v", list[0])
	equal([]any{death["queue"], death["reason"], death["count"], death["exchange"], death["routing-keys"]},
		[]any{queue, reason, int64(1), "", []any{queue}}, "x-death")
	_, isTime := death["time"].(time.Time)
	ok(isTime, "x-death time is %v", death["time"])
	equal([]any{message.Headers["x-first-death-queue"], message.Headers["x-first-death-reason"],
		message.Headers["x-first-death-exchange"]}, []any{queue, reason, ""}, "x-first-death")
	return death
}

func recovered(s *session) {
	queue := s.queue(nil)
	s.put(queue, "a", "b")
	s.consume(s.channel, queue, "", false)
	for _, message := range s.receive(2) {
		ok(!message.Redelivered, "the first delivery is marked as redelivered")
	}
	must(s.channel.Recover(true))
	again := s.receive(2)
	equal(bodies(again), "a b", "recovered messages")
	for i, message := range again {
		ok(message.Redelivered, "%s is not marked as redelivered", message.Body)
		equal(message.DeliveryTag, uint64(i+3), "delivery tag")
	}
}

func tx(s *session) {
	queue := s.queue(nil)
	channel := must1(s.connection.Channel())
	must(channel.Tx())
	put := func(body string) {
		must(channel.Publish("", queue, false, false, amqp.Publishing{Body: []byte(body)}))
	}
	put("a")
	put("b")
	equal(s.ready(queue), 0, "messages before commit")
	must(channel.TxCommit())
	equal(s.ready(queue), 2, "messages after commit")
	put("lost")
	must(channel.TxRollback())
	must(channel.TxCommit())
	equal(s.ready(queue), 2, "messages after rollback")
	message, _, err := channel.Get(queue, false)
	must(err)
	must(message.Ack(false))
	must(channel.TxRollback())
	must(message.Ack(false))
	must(channel.TxCommit())
	must(channel.Close())
	equal(s.drain(queue), "b", "messages after an ack was committed")
}

func exchangeLifeCycle(s *session) {
	c, queue := s.channel, s.queue(nil)
	passive := func(name string) func(*amqp.Channel) error {
		return func(x *amqp.Channel) error {
			return x.ExchangeDeclarePassive(name, "direct", true, false, false, false, nil)
		}
	}
	source, middle := unique("direct"), unique("fanout")
	must(c.ExchangeDeclare(source, "direct", true, false, false, false, nil))
	must(c.ExchangeDeclare(source, "direct", true, false, false, false, nil))
	must(passive(source)(c))
	must(c.ExchangeDeclare(middle, "fanout", false, false, false, false, nil))
	must(c.ExchangeBind(middle, "key", source, false, nil))
	must(c.QueueBind(queue, "", middle, false, nil))
	s.publish(source, "key", amqp.Publishing{Body: []byte("through")})
	equal(s.drain(queue), "through", "message over two exchanges")
	s.refused(406, fmt.Sprintf("PRECONDITION_FAILED - exchange '%s' in vhost '/' in use", middle),
		func(x *amqp.Channel) error { return x.ExchangeDelete(middle, true, false) })
	must(c.ExchangeUnbind(middle, "key", source, false, nil))
	s.publish(source, "key", amqp.Publishing{Body: []byte("lost")})
	equal(s.drain(queue), "", "message after unbind")
	must(c.QueueUnbind(queue, "", middle, nil))
	must(c.ExchangeDelete(middle, true, false))
	must(c.ExchangeDelete(source, false, false))
	must(c.ExchangeDelete(source, false, false))
	s.refused(404, "NOT_FOUND - no exchange", passive(source))
	alternate, first := s.exchange("fanout"), unique("direct")
	must(c.QueueBind(queue, "", alternate, false, nil))
	must(c.ExchangeDeclare(first, "direct", false, false, false, false,
		amqp.Table{"alternate-exchange": alternate}))
	s.publish(first, "unknown", amqp.Publishing{Body: []byte("caught")})
	equal(s.drain(queue), "caught", "message over the alternate exchange")
	must(c.ExchangeDelete(first, false, false))
	gone := s.exchange("fanout")
	must(c.QueueBind(queue, "", gone, false, nil))
	must(c.QueueUnbind(queue, "", gone, nil))
	s.refused(404, "NOT_FOUND", passive(gone))
}

func queueLifeCycle(s *session) {
	c := s.channel
	passive := func(name string) func(*amqp.Channel) error {
		return func(x *amqp.Channel) error {
			_, err := x.QueueDeclarePassive(name, false, false, false, false, nil)
			return err
		}
	}
	remove := func(name string, unused, empty bool) func(*amqp.Channel) error {
		return func(x *amqp.Channel) error {
			_, err := x.QueueDelete(name, unused, empty, false)
			return err
		}
	}
	made := must1(c.QueueDeclare("", false, false, true, false, nil)).Name
	ok(strings.HasPrefix(made, "amq.gen-"), "server-named queue is %s", made)
	queue := must1(c.QueueDeclare(unique("queue"), true, false, false, false, nil)).Name
	s.put(queue, "a", "b", "c")
	equal(s.inspect(queue), amqp.Queue{Name: queue, Messages: 3}, "counts")
	equal(must1(c.QueuePurge(queue, false)), 3, "purged messages")
	s.put(queue, "d")
	s.refused(406, fmt.Sprintf("PRECONDITION_FAILED - queue '%s' in vhost '/' not empty", queue),
		remove(queue, false, true))
	s.consume(c, queue, "tag", true)
	equal(bodies(s.receive(1)), "d", "message")
	equal(s.inspect(queue).Consumers, 1, "consumers")
	s.refused(406, fmt.Sprintf("PRECONDITION_FAILED - queue '%s' in vhost '/' in use", queue),
		remove(queue, true, false))
	must(c.Cancel("tag", false))
	s.put(queue, "e", "f")
	equal(must1(c.QueueDelete(queue, true, false, false)), 2, "deleted messages")
	equal(must1(c.QueueDelete(queue, false, false, false)), 0, "deleting what is gone")
	mine, other := s.queue(nil), open()
	other.refused(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue", passive(mine))
	other.close()
	fleeting := must1(c.QueueDeclare(unique("queue"), false, true, false, false, nil)).Name
	s.consume(c, fleeting, "short", false)
	must(c.Cancel("short", false))
	s.refused(404, "NOT_FOUND", passive(fleeting))
}

func bigBody(s *session) {
	queue := s.queue(nil)
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i)
	}
	frame := s.connection.Config.FrameSize - 8
	sent := [][]byte{{}, big, big[:frame], big[:frame+1], {}}
	for _, body := range sent {
		s.publish("", queue, amqp.Publishing{Body: body})
	}
	s.consume(s.channel, queue, "", true)
	for i, message := range s.receive(len(sent)) {
		equal(len(message.Body), len(sent[i]), "body size")
		ok(bytes.Equal(message.Body, sent[i]), "body %d changed on its way", i)
	}
}

func refusals(s *session) {
	no, queue, exchange := unique("missing"), s.queue(nil), s.exchange("direct")
	declare := func(name string, arguments amqp.Table) func(*amqp.Channel) error {
		return func(c *amqp.Channel) error {
			_, err := c.QueueDeclare(name, false, false, true, false, arguments)
			return err
		}
	}
	declareExchange := func(name, kind string) func(*amqp.Channel) error {
		return func(c *amqp.Channel) error {
			return c.ExchangeDeclare(name, kind, false, true, false, false, nil)
		}
	}
	s.refused(404, fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '/'", no), func(c *amqp.Channel) error {
		_, err := c.QueueDeclarePassive(no, false, false, false, false, nil)
		return err
	})
	s.refused(404, fmt.Sprintf("NOT_FOUND - no exchange '%s' in vhost '/'", no), func(c *amqp.Channel) error {
		return c.ExchangeDeclarePassive(no, "direct", false, false, false, false, nil)
	})
	s.refused(404, fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '/'", no), func(c *amqp.Channel) error {
		_, err := c.Consume(no, "", true, false, false, false, nil)
		return err
	})
	s.refused(404, fmt.Sprintf("NOT_FOUND - no exchange '%s' in vhost '/'", no), func(c *amqp.Channel) error {
		return c.Publish(no, "", false, false, amqp.Publishing{})
	})
	s.refused(406, fmt.Sprintf("PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '%s' "+
		"in vhost '/': received the value '7' of type", queue), declare(queue, amqp.Table{"x-max-length": 7}))
	s.refused(406, fmt.Sprintf("PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' "+
		"in vhost '/': received 'fanout' but current is 'direct'", exchange), declareExchange(exchange, "fanout"))
	s.refused(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
		declare("amq.mine", nil))
	s.refused(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
		declareExchange("amq.mine", "direct"))
	s.refused(403, "ACCESS_REFUSED - operation not permitted on the default exchange",
		func(c *amqp.Channel) error { return c.QueueBind(queue, "key", "", false, nil) })
	s.refused(406, "PRECONDITION_FAILED - unknown delivery tag 99",
		func(c *amqp.Channel) error { return c.Ack(99, false) })
	must(s.channel.ExchangeDelete(exchange, false, false))
	_, err := amqp.DialConfig(url, amqp.Config{Vhost: no})
	// The client expects only open-ok here, and gives an error of its own for close.
	ok(err != nil, "connected to a missing vhost")
}

func cancelled(s *session) {
	queue := s.queue(nil)
	heard := s.channel.NotifyCancel(make(chan string, 1))
	s.consume(s.channel, queue, "mine", false)
	must1(must1(s.connection.Channel()).QueueDelete(queue, false, false, false))
	equal(take(heard, "basic.cancel from the broker"), "mine", "cancelled consumer")
	must(s.channel.Qos(1, 0, false))
}

func ttl(s *session) {
	target, dead := s.queue(nil), s.exchange("direct")
	must(s.channel.QueueBind(target, "dead", dead, false, nil))
	queue := s.queue(amqp.Table{"x-message-ttl": 100, "x-dead-letter-exchange": dead,
		"x-dead-letter-routing-key": "dead"})
	s.consume(s.channel, target, "", true)
	s.publish("", queue, amqp.Publishing{Headers: amqp.Table{"mine": "kept"}, Body: []byte("old")})
	message := s.receive(1)[0]
	equal([]any{string(message.Body), message.Exchange, message.RoutingKey, message.Headers["mine"]},
		[]any{"old", dead, "dead", "kept"}, "dead letter")
	checkDeath(message, queue, "expired")
	own := s.queue(amqp.Table{"x-dead-letter-exchange": dead, "x-dead-letter-routing-key": "dead"})
	s.publish("", own, amqp.Publishing{Expiration: "50", Body: []byte("own")})
	message = s.receive(1)[0]
	equal([]any{string(message.Body), message.Expiration}, []any{"own", ""}, "body and expiration")
	equal(checkDeath(message, own, "expired")["original-expiration"], "50", "original-expiration")
}

func maxLength(s *session) {
	target := s.queue(nil)
	queue := s.queue(amqp.Table{"x-max-length": 3, "x-dead-letter-exchange": "",
		"x-dead-letter-routing-key": target})
	s.consume(s.channel, target, "", true)
	s.put(queue, "a", "b", "c", "d", "e")
	dropped := s.receive(2)
	equal(bodies(dropped), "a b", "dropped messages")
	checkDeath(dropped[0], queue, "maxlen")
	equal(s.drain(queue), "c d e", "kept messages")
	full := s.queue(amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
	s.put(full, "a", "b")
	ok(!s.publish("", full, amqp.Publishing{Body: []byte("c")}), "a publish to a full queue was confirmed")
	equal(s.drain(full), "a b", "kept messages")
}

func priority(s *session) {
	queue := s.queue(amqp.Table{"x-max-priority": 5})
	for _, message := range []struct {
		body  string
		level uint8
	}{{"none", 0}, {"a1", 1}, {"a5", 5}, {"a3", 3}, {"b5", 5}, {"b9", 9}} {
		s.publish("", queue, amqp.Publishing{Priority: message.level, Body: []byte(message.body)})
	}
	equal(s.drain(queue), "a5 b5 b9 a3 a1 none", "order by priority")
}

func replyTo(server *session) {
	const pseudo = "amq.rabbitmq.reply-to"
	client := open()
	defer client.close()
	queue := server.queue(nil)
	client.consume(client.channel, pseudo, "", true)
	server.consume(server.channel, queue, "", true)
	must(client.channel.Publish("", queue, true, false,
		amqp.Publishing{ReplyTo: pseudo, CorrelationId: "7", Body: []byte("ask")}))
	asked := server.receive(1)[0]
	equal([]any{string(asked.Body), asked.CorrelationId}, []any{"ask", "7"}, "request")
	ok(strings.HasPrefix(asked.ReplyTo, pseudo+"."), "reply-to is %s", asked.ReplyTo)
	server.publish("", asked.ReplyTo, amqp.Publishing{CorrelationId: "7", Body: []byte("answer")})
	got := client.receive(1)[0]
	equal([]any{string(got.Body), got.CorrelationId, got.RoutingKey},
		[]any{"answer", "7", asked.ReplyTo}, "reply")
	server.refused(406, "PRECONDITION_FAILED - fast reply consumer does not exist",
		func(c *amqp.Channel) error {
			return c.Publish("", "x", false, false, amqp.Publishing{ReplyTo: pseudo})
		})
}
