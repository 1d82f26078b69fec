// The features of a broker, seen through amqp091-go. Each check prints one line of JSON.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Longest time a single event may take to arrive, and a whole check to run.
const (
	eventLimit = 10 * time.Second
	checkLimit = 30 * time.Second
)

var (
	url   = os.Getenv("AMQP_URL")
	run   = newRun()
	names = 0
)

func newRun() string {
	bytes := make([]byte, 5)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}

// unique gives a queue or exchange name that no other run uses.
func unique(what string) string {
	names++
	return fmt.Sprintf("conformance.amqp091.%s.%s.%d", run, what, names)
}

// failure ends a check; the runner puts its text into the report.
type failure struct{ text string }

func fail(format string, values ...any) { panic(failure{fmt.Sprintf(format, values...)}) }

func ok(condition bool, format string, values ...any) {
	if !condition {
		fail(format, values...)
	}
}

func equal(got, want any, what string) {
	if !reflect.DeepEqual(got, want) {
		fail("%s: got %#v, expected %#v", what, got, want)
	}
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func must1[T any](value T, err error) T {
	must(err)
	return value
}

// take waits for the next value of a channel.
func take[T any](from <-chan T, what string) T {
	select {
	case value, open := <-from:
		ok(open, "closed: %s", what)
		return value
	case <-time.After(eventLimit):
		fail("timed out: %s", what)
		panic("unreachable")
	}
}

// session is one connection with a plain channel, a confirming one, and what its consumers got.
type session struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	publisher  *amqp.Channel
	inbox      chan amqp.Delivery
}

func open() *session {
	connection := must1(amqp.Dial(url))
	s := &session{
		connection: connection,
		channel:    must1(connection.Channel()),
		publisher:  must1(connection.Channel()),
		inbox:      make(chan amqp.Delivery, 2000),
	}
	must(s.publisher.Confirm(false))
	return s
}

func (s *session) close() { _ = s.connection.Close() }

func (s *session) queue(arguments amqp.Table) string {
	return must1(s.channel.QueueDeclare(unique("queue"), false, false, true, false, arguments)).Name
}

func (s *session) exchange(kind string) string {
	name := unique(kind)
	must(s.channel.ExchangeDeclare(name, kind, false, true, false, false, nil))
	return name
}

// publish waits for the confirm: only then must a message count include the message.
func (s *session) publish(exchange, key string, message amqp.Publishing) bool {
	confirm := must1(s.publisher.PublishWithDeferredConfirm(exchange, key, false, false, message))
	limit, cancel := context.WithTimeout(context.Background(), eventLimit)
	defer cancel()
	return must1(confirm.WaitContext(limit))
}

func (s *session) put(queue string, bodies ...string) {
	for _, body := range bodies {
		ok(s.publish("", queue, amqp.Publishing{Body: []byte(body)}), "the broker nacked %s", body)
	}
}

// consume sends the deliveries of a new consumer to the inbox.
func (s *session) consume(channel *amqp.Channel, queue, tag string, autoAck bool) {
	deliveries := must1(channel.Consume(queue, tag, autoAck, false, false, false, nil))
	go func() {
		for delivery := range deliveries {
			s.inbox <- delivery
		}
	}()
}

// receive takes the next messages of the consumers, exactly so many.
func (s *session) receive(count int) []amqp.Delivery {
	var got []amqp.Delivery
	for len(got) < count {
		got = append(got, take(s.inbox, fmt.Sprintf("message %d of %d", len(got)+1, count)))
	}
	// A round trip flushes out anything that was sent beyond them.
	must(s.channel.Qos(0, 0, false))
	equal(len(s.inbox), 0, "further deliveries")
	return got
}

func bodies(messages []amqp.Delivery) string {
	var all []string
	for _, message := range messages {
		all = append(all, string(message.Body))
	}
	return strings.Join(all, " ")
}

// get takes a message that must be there.
func (s *session) get(queue string, autoAck bool) amqp.Delivery {
	message, found, err := s.channel.Get(queue, autoAck)
	must(err)
	ok(found, "basic.get found nothing on %s", queue)
	return message
}

// drain takes everything that is ready with basic.get.
func (s *session) drain(queue string) string {
	var all []amqp.Delivery
	for {
		message, found, err := s.channel.Get(queue, true)
		must(err)
		if !found {
			return bodies(all)
		}
		all = append(all, message)
	}
}

func (s *session) inspect(queue string) amqp.Queue {
	return must1(s.channel.QueueDeclarePassive(queue, false, false, false, false, nil))
}

func (s *session) ready(queue string) int { return s.inspect(queue).Messages }

// refused runs an action that must close its channel with this code and text.
func (s *session) refused(code int, text string, action func(*amqp.Channel) error) {
	channel := must1(s.connection.Channel())
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	_ = action(channel) // the notification below says more
	reason := take(closed, fmt.Sprintf("accepted, expected %d %s", code, text))
	equal(reason.Code, code, "reply code ("+reason.Reason+")")
	ok(strings.Contains(reason.Reason, text), "reply text is %q, not %q", reason.Reason, text)
	ok(!s.connection.IsClosed(), "the connection was closed too")
	must(must1(s.connection.Channel()).Close())
}

// key is a routing key or, for the headers exchange, a table.
type key struct {
	text  string
	table amqp.Table
}

func parseKey(kind, field string) key {
	if kind != "headers" {
		return key{text: field}
	}
	table := amqp.Table{}
	for _, pair := range strings.Split(field, ",") {
		name, value, _ := strings.Cut(pair, "=")
		letter, rest, _ := strings.Cut(value, ":")
		switch letter {
		case "s":
			table[name] = rest
		case "i":
			table[name] = int32(must1(strconv.Atoi(rest)))
		case "t":
			table[name] = rest == "true"
		case "v":
			table[name] = nil
		}
	}
	return key{table: table}
}

// routing binds the queues of the shared table and sees which of them get each message.
func routing(kind string) func(*session) {
	return func(s *session) {
		path := os.Getenv("ROUTING_TABLE")
		if path == "" {
			path = filepath.Join("..", "routing.txt")
		}
		file := must1(os.Open(path))
		defer file.Close()
		exchange, queues, sent := s.exchange(kind), map[string]string{}, 0
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Split(lines.Text(), "|")
			switch {
			case fields[0] != kind:
			case fields[1] == "bind":
				if queues[fields[2]] == "" {
					queues[fields[2]] = s.queue(nil)
				}
				k := parseKey(kind, fields[3])
				must(s.channel.QueueBind(queues[fields[2]], k.text, exchange, false, k.table))
			case fields[1] == "send":
				sent++
				s.route(exchange, parseKey(kind, fields[2]), queues, fields[3])
			}
		}
		ok(sent > 0, "no lines for %s in the routing table", kind)
	}
}

func (s *session) route(exchange string, k key, queues map[string]string, want string) {
	s.publish(exchange, k.text, amqp.Publishing{Headers: k.table, Body: []byte("m")})
	var letters []string
	for letter := range queues {
		letters = append(letters, letter)
	}
	sort.Strings(letters)
	got := ""
	for _, letter := range letters {
		got += strings.Repeat(letter, len(strings.Fields(s.drain(queues[letter]))))
	}
	equal(got, want, fmt.Sprintf("queues that got %q %v", k.text, k.table))
}

// perform runs one check in bounded time and gives its fault, if any.
func perform(body func(*session)) (detail string) {
	done := make(chan string, 1)
	go func() {
		defer func() {
			switch problem := recover().(type) {
			case nil:
				done <- ""
			case failure:
				done <- problem.text + place()
			default:
				done <- fmt.Sprintf("%v\n%s", problem, debug.Stack())
			}
		}()
		s := open()
		defer s.close()
		body(s)
	}()
	select {
	case detail = <-done:
	case <-time.After(checkLimit):
		detail = fmt.Sprintf("the check took more than %v", checkLimit)
	}
	return detail
}

// place is the line of checks.go where the failure arose.
func place() string {
	frames := make([]uintptr, 40)
	trace := runtime.CallersFrames(frames[:runtime.Callers(1, frames)])
	for {
		frame, more := trace.Next()
		if filepath.Base(frame.File) == "checks.go" {
			return fmt.Sprintf(" (line %d)", frame.Line)
		}
		if !more {
			return ""
		}
	}
}

func main() {
	wanted := map[string]bool{}
	for _, feature := range os.Args[1:] {
		wanted[feature] = true
	}
	code := 0
	for _, check := range checks {
		if len(wanted) > 0 && !wanted[check.feature] {
			continue
		}
		detail := perform(check.body)
		if detail != "" {
			code = 1
		}
		line := must1(json.Marshal(map[string]any{
			"client": "amqp091-go", "feature": check.feature, "ok": detail == "", "detail": detail,
		}))
		fmt.Println(string(line))
	}
	os.Exit(code)
}
