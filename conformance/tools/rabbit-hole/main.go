// The calls of RabbitMQ's HTTP API that the Go client rabbit-hole makes, among them all of those that the Terraform
// provider makes through it. Prints one JSON line a call.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"

	rabbithole "github.com/michaelklishin/rabbit-hole/v3"
)

var failed bool

// check reports a call that answers with an HTTP response.
func check(call string, want int) func(*http.Response, error) {
	return func(answer *http.Response, err error) {
		detail := ""
		switch {
		case err != nil:
			detail = err.Error()
		case answer.StatusCode != want:
			detail = fmt.Sprintf("status %d instead of %d", answer.StatusCode, want)
		}
		report(call, detail)
	}
}

// expect reports a call that answers with a value, of which something has to hold.
func expect(call string, err error, holds bool, got any) {
	detail := ""
	if err != nil {
		detail = err.Error()
	} else if !holds {
		detail = fmt.Sprintf("unexpected answer: %+v", got)
	}
	report(call, detail)
}

func report(call, detail string) {
	line, _ := json.Marshal(map[string]any{"call": call, "ok": detail == "", "detail": detail})
	fmt.Println(string(line))
	failed = failed || detail != ""
}

func main() {
	client, err := rabbithole.NewClient(os.Args[1], "guest", "guest")
	if err != nil {
		panic(err)
	}
	whole(client)
	accounts(client)
	topology(client)
	settings(client)
	checks(client)
	check("DeleteVhost", 204)(client.DeleteVhost("hole"))
	if failed {
		os.Exit(1)
	}
}

func whole(client *rabbithole.Client) {
	overview, err := client.Overview()
	expect("Overview", err, err == nil && overview.RabbitMQVersion != "" && len(overview.Listeners) > 0, overview)
	nodes, err := client.ListNodes()
	expect("ListNodes", err, len(nodes) == 1 && nodes[0].IsRunning, nodes)
	node, err := client.GetNode(overview.Node)
	expect("GetNode", err, err == nil && node.MemUsed > 0 && node.FdTotal > 0, node)
	connections, err := client.ListConnections()
	expect("ListConnections", err, err == nil, connections)
	channels, err := client.ListChannels()
	expect("ListChannels", err, err == nil, channels)
	consumers, err := client.ListConsumers()
	expect("ListConsumers", err, err == nil, consumers)
	me, err := client.Whoami()
	expect("Whoami", err, err == nil && me.Name == "guest", me)
	name, err := client.GetClusterName()
	expect("GetClusterName", err, err == nil && name.Name != "", name)
	check("SetClusterName", 204)(client.SetClusterName(rabbithole.ClusterName{Name: name.Name}))
	definitions, err := client.ListDefinitions()
	expect("ListDefinitions", err, err == nil && definitions.Users != nil, definitions)
}

func accounts(client *rabbithole.Client) {
	check("PutVhost", 201)(client.PutVhost("hole", rabbithole.VhostSettings{Description: "made by rabbit-hole"}))
	vhosts, err := client.ListVhosts()
	expect("ListVhosts", err, len(vhosts) == 2, vhosts)
	vhost, err := client.GetVhost("hole")
	expect("GetVhost", err, err == nil && vhost.Description == "made by rabbit-hole", vhost)
	check("PutUser", 201)(client.PutUser("hole", rabbithole.UserSettings{
		Password: "secret", Tags: rabbithole.UserTags{"management"}}))
	user, err := client.GetUser("hole")
	expect("GetUser", err, err == nil && reflect.DeepEqual([]string(user.Tags), []string{"management"}), user)
	users, err := client.ListUsers()
	expect("ListUsers", err, len(users) == 2, users)
	all := rabbithole.Permissions{Configure: ".*", Write: ".*", Read: ".*"}
	check("UpdatePermissionsIn", 201)(client.UpdatePermissionsIn("hole", "hole", all))
	permission, err := client.GetPermissionsIn("hole", "hole")
	expect("GetPermissionsIn", err, err == nil && permission.Configure == ".*", permission)
	permissions, err := client.ListPermissions()
	expect("ListPermissions", err, len(permissions) >= 2, permissions)
	ofUser, err := client.ListPermissionsOf("hole")
	expect("ListPermissionsOf", err, len(ofUser) == 1, ofUser)
	topic := rabbithole.TopicPermissions{Exchange: "amq.topic", Write: "^a", Read: ".*"}
	check("UpdateTopicPermissionsIn", 201)(client.UpdateTopicPermissionsIn("hole", "hole", topic))
	topics, err := client.GetTopicPermissionsIn("hole", "hole")
	expect("GetTopicPermissionsIn", err, len(topics) == 1 && topics[0].Exchange == "amq.topic", topics)
	topics, err = client.ListTopicPermissionsOf("hole")
	expect("ListTopicPermissionsOf", err, len(topics) == 1, topics)
	check("ClearTopicPermissionsIn", 204)(client.ClearTopicPermissionsIn("hole", "hole"))
	check("PutUserLimits", 204)(client.PutUserLimits("hole", rabbithole.UserLimitsValues{"max-connections": 5}))
	limits, err := client.GetUserLimits("hole")
	expect("GetUserLimits", err, len(limits) == 1 && limits[0].Value["max-connections"] == 5, limits)
	check("DeleteUserLimits", 204)(client.DeleteUserLimits("hole", rabbithole.UserLimits{"max-connections"}))
	check("PutVhostLimits", 204)(client.PutVhostLimits("hole", rabbithole.VhostLimitsValues{"max-queues": 9}))
	ofVhost, err := client.GetVhostLimits("hole")
	expect("GetVhostLimits", err, len(ofVhost) == 1 && ofVhost[0].Value["max-queues"] == 9, ofVhost)
	check("DeleteVhostLimits", 204)(client.DeleteVhostLimits("hole", rabbithole.VhostLimits{"max-queues"}))
	check("ClearPermissionsIn", 204)(client.ClearPermissionsIn("hole", "hole"))
	check("DeleteUser", 204)(client.DeleteUser("hole"))
}

func topology(client *rabbithole.Client) {
	check("DeclareExchange", 201)(client.DeclareExchange("hole", "x", rabbithole.ExchangeSettings{
		Type: "topic", Durable: true, Arguments: map[string]any{"alternate-exchange": "amq.fanout"}}))
	exchange, err := client.GetExchange("hole", "x")
	expect("GetExchange", err, err == nil && exchange.Type == "topic" && exchange.Durable, exchange)
	exchanges, err := client.ListExchangesIn("hole")
	expect("ListExchangesIn", err, len(exchanges) >= 8, exchanges)
	exchanges, err = client.ListExchanges()
	expect("ListExchanges", err, len(exchanges) >= 15, exchanges)
	check("DeclareQueue", 201)(client.DeclareQueue("hole", "q/1", rabbithole.QueueSettings{
		Durable: true, Arguments: map[string]any{"x-max-length": 10}}))
	queue, err := client.GetQueue("hole", "q/1")
	expect("GetQueue", err, err == nil && queue.Durable && queue.Arguments["x-max-length"] == float64(10), queue)
	queues, err := client.ListQueuesIn("hole")
	expect("ListQueuesIn", err, len(queues) == 1, queues)
	queues, err = client.ListQueues()
	expect("ListQueues", err, len(queues) >= 1, queues)
	binding := rabbithole.BindingInfo{Source: "x", Vhost: "hole", Destination: "q/1", DestinationType: "queue",
		RoutingKey: "a.#", Arguments: map[string]any{"n": "1"}}
	check("DeclareBinding", 201)(client.DeclareBinding("hole", binding))
	bindings, err := client.ListBindingsIn("hole")
	expect("ListBindingsIn", err, len(bindings) == 2, bindings)
	bindings, err = client.ListQueueBindings("hole", "q/1")
	expect("ListQueueBindings", err, len(bindings) == 2, bindings)
	bindings, err = client.ListExchangeBindingsWithSource("hole", "x")
	expect("ListExchangeBindingsWithSource", err, len(bindings) == 1, bindings)
	between, err := client.ListQueueBindingsBetween("hole", "x", "q/1")
	expect("ListQueueBindingsBetween", err, len(between) == 1, between)
	if len(between) == 1 {
		check("DeleteBinding", 204)(client.DeleteBinding("hole", between[0]))
	}
	check("PurgeQueue", 204)(client.PurgeQueue("hole", "q/1"))
	check("DeleteQueue", 204)(client.DeleteQueue("hole", "q/1"))
	check("DeleteExchange", 204)(client.DeleteExchange("hole", "x"))
}

func settings(client *rabbithole.Client) {
	policy := rabbithole.Policy{Pattern: "^q", ApplyTo: "queues", Priority: 1,
		Definition: rabbithole.PolicyDefinition{"max-length": 5}}
	check("PutPolicy", 201)(client.PutPolicy("hole", "p", policy))
	found, err := client.GetPolicy("hole", "p")
	expect("GetPolicy", err, err == nil && found.Pattern == "^q" && found.Priority == 1, found)
	policies, err := client.ListPoliciesIn("hole")
	expect("ListPoliciesIn", err, len(policies) == 1, policies)
	policies, err = client.ListPolicies()
	expect("ListPolicies", err, len(policies) == 1, policies)
	check("DeletePolicy", 204)(client.DeletePolicy("hole", "p"))
	operator := rabbithole.OperatorPolicy{Pattern: "^q", ApplyTo: "queues",
		Definition: rabbithole.PolicyDefinition{"max-length": 5}}
	check("PutOperatorPolicy", 201)(client.PutOperatorPolicy("hole", "o", operator))
	limit, err := client.GetOperatorPolicy("hole", "o")
	expect("GetOperatorPolicy", err, err == nil && limit.Pattern == "^q", limit)
	check("DeleteOperatorPolicy", 204)(client.DeleteOperatorPolicy("hole", "o"))
	check("PutGlobalParameter", 201)(client.PutGlobalParameter("hole", map[string]any{"a": 1}))
	parameter, err := client.GetGlobalParameter("hole")
	expect("GetGlobalParameter", err, err == nil && parameter.Name == "hole", parameter)
	parameters, err := client.ListGlobalParameters()
	expect("ListGlobalParameters", err, len(parameters) >= 1, parameters)
	check("DeleteGlobalParameter", 204)(client.DeleteGlobalParameter("hole"))
	ofVhost, err := client.ListRuntimeParameters()
	expect("ListRuntimeParameters", err, err == nil, ofVhost)
	flags, err := client.ListFeatureFlags()
	expect("ListFeatureFlags", err, err == nil, flags)
}

func checks(client *rabbithole.Client) {
	alarms, err := client.HealthCheckAlarms()
	expect("HealthCheckAlarms", err, alarms.Status == "ok", alarms)
	local, err := client.HealthCheckLocalAlarms()
	expect("HealthCheckLocalAlarms", err, local.Status == "ok", local)
	expiring, err := client.HealthCheckCertificateExpiration(1, rabbithole.DAYS)
	expect("HealthCheckCertificateExpiration", err, expiring.Status == "ok", expiring)
	protocol, err := client.HealthCheckProtocolListener(rabbithole.AMQP091)
	expect("HealthCheckProtocolListener", err, protocol.Status == "ok", protocol)
	vhosts, err := client.HealthCheckVirtualHosts()
	expect("HealthCheckVirtualHosts", err, vhosts.Status == "ok", vhosts)
	quorum, err := client.HealthCheckNodeIsQuorumCritical()
	expect("HealthCheckNodeIsQuorumCritical", err, quorum.Status == "ok", quorum)
}
