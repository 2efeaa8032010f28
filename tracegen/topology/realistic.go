package topology

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// realistic makes a topology whose traces are distributed as those of large
// systems are (Meta, ATC 2023; Alibaba, SoCC 2021): a quarter have one span,
// the median a handful, and a few more than a thousand; operations are called
// as often as Zipf has it; most traces share their shape; leaves are caches and
// databases; latencies are log-normal with a slow tail. It is the same each
// time.
func realistic() []byte {
	r := &realist{random: rand.New(rand.NewPCG(2023, 2021)), operations: map[string][]string{}} //nolint:gosec // it is to be the same each time
	r.leaves()
	r.lookups()
	r.composers()
	r.fanners()
	r.chain()
	r.entries()
	return r.yaml()
}

// realist writes operations, service by service, and traces.
type realist struct {
	random     *rand.Rand
	order      []string // services as they came
	operations map[string][]string
	traces     []string

	// What is called: by how much it causes.
	small, fuller, medium, wide []string
	deep                        string
}

// The services: those that the world calls, and those behind them.
var (
	edges  = []string{"web", "mobile", "partner", "batch"}
	inside = []string{
		"session", "profile", "catalog", "price", "stock", "cart", "search", "ranking", "review", "media", "coupon", "tax",
		"address", "shipping", "payment", "fraud", "ledger", "invoice", "mail", "push", "feed", "graph", "experiment", "feature",
		"locale", "geo", "audit", "recommend", "inventory", "wishlist", "loyalty", "banner", "menu", "store", "partners", "quota",
	}
)

// add writes an operation down.
func (r *realist) add(service, format string, args ...any) {
	if r.operations[service] == nil {
		r.order = append(r.order, service)
	}
	r.operations[service] = append(r.operations[service], fmt.Sprintf(format, args...))
}

// leaves gives each service a cache and a database. They are spans of whoever
// calls them.
func (r *realist) leaves() {
	for _, service := range append(edges, inside...) {
		r.add(service, `GET: {kind: client, latency: *cache, attributes: {<<: *redis, db.operation.name: GET}}`)
		r.add(service, `MGET: {kind: client, latency: *cache, attributes: {<<: *redis, db.operation.name: MGET}}`)
		for _, verb := range []string{"SELECT", "INSERT", "UPDATE"} {
			r.add(service, `%s %s: {kind: client, latency: *database, attributes: {<<: *postgres, db.operation.name: %s, db.collection.name: %s}, errors: {deadlock: {rate: 0.0005}}}`,
				verb, service, verb, service)
		}
	}
}

// served writes an operation that others call over gRPC.
func (r *realist) served(service, method string, calls []string) string {
	name := fmt.Sprintf("%s.v1.%s%sService/%s", service, strings.ToUpper(service[:1]), service[1:], method)
	r.add(service, `%s: {name: %s, latency: *self, attributes: {<<: *grpc, rpc.method: %s}, client: {attributes: {<<: *grpc, rpc.method: %s, server.address: %s}}, errors: {unavailable: {rate: 0.001, type: UNAVAILABLE, message: "no instance answers"}}, calls: [%s]}`,
		method, name, name, name, service, strings.Join(calls, ", "))
	return service + "/" + method
}

// maybe is a call that is not always made.
func maybe(to string, probability float64) string {
	return fmt.Sprintf("{to: %s, probability: %.2f}", to, probability)
}

// times is a call that is made again and again, at once.
func times(to string, least, most int) string {
	return fmt.Sprintf("{parallel: [{to: %s, count: [%d, %d]}]}", to, least, most)
}

// lookups read one thing: a cache, and what it has not, from the database.
// Others read more, and some ask the cache again and again.
func (r *realist) lookups() {
	for i, service := range inside {
		missed := fmt.Sprintf("{to: SELECT %s, cached: 0.93}", service)
		r.small = append(r.small, r.served(service, "Get", []string{"GET", missed}))
		calls := []string{"GET", "SELECT " + service, "MGET", "UPDATE " + service}
		if i%3 > 0 {
			calls = []string{"{to: GET, count: [2, 4]}", "SELECT " + service}
		}
		r.fuller = append(r.fuller, r.served(service, "Find", calls))
	}
}

// composers put together what some lookups give. Some of it depends on the
// request.
func (r *realist) composers() {
	for i, service := range inside[:24] {
		calls := []string{"GET", "SELECT " + service, "INSERT " + service}
		if i%3 < 2 {
			calls = append(calls, times("MGET", 15, 26))
		}
		for j := range 3 {
			calls = append(calls, maybe(r.fuller[(i+5*j+1)%len(r.fuller)], 0.6+0.2*float64(j%2)))
		}
		if i%4 == 0 {
			calls = append(calls, fmt.Sprintf("{to: %s, optional: true, retry: {attempts: 2, backoff: 20ms}}", r.fuller[(i+6)%len(r.fuller)]))
		}
		r.medium = append(r.medium, r.served(service, "Compose", calls))
	}
}

// fanners ask for many things at once; a few for very many.
func (r *realist) fanners() {
	for i, service := range inside[6:18] {
		least, most := 18, 30
		if i%4 == 0 {
			least, most = 110, 180
		}
		calls := []string{"GET", times("MGET", least, most), maybe("UPDATE "+service, 0.4)}
		for j := range 2 {
			calls = append(calls, maybe(r.medium[(i+7*j)%len(r.medium)], 0.4))
		}
		r.wide = append(r.wide, r.served(service, "Scan", calls))
	}
}

// chain is a call through eight services.
func (r *realist) chain() {
	below := r.small[0]
	for _, service := range inside[24:31] {
		below = r.served(service, "Relay", []string{below, maybe("GET", 0.5)})
	}
	r.deep = below
}

// entry is a sort of request that the world makes: its share of all, and what
// it calls.
type entry struct {
	share float64
	calls func(n int) []string
}

// entries makes the operations that traces begin with, the popular ones first,
// and gives each to the sort of which there is too little yet.
func (r *realist) entries() {
	sorts := []entry{
		{0.25, func(int) []string { return nil }},
		{0.31, func(n int) []string { return []string{r.pick(r.small, n), r.pick(r.small, n+9)} }},
		{0.08, func(int) []string { return []string{"GET", "SELECT web", "UPDATE web"} }},
		{0.23, func(n int) []string {
			return []string{r.pick(r.small, n), "GET", r.pick(r.medium, n), maybe(r.pick(r.medium, n+11), 0.5), maybe(r.pick(r.small, n+4), 0.6)}
		}},
		{0.12, func(n int) []string {
			return []string{
				r.pick(r.small, n), "GET", r.pick(r.medium, n+3), r.pick(r.wide, n), r.pick(r.medium, n+6),
			}
		}},
		{0.01, func(n int) []string {
			return []string{r.deep, times(r.pick(r.medium, n), 20, 60), r.pick(r.wide, n+2), times(r.pick(r.wide, n+5), 8, 24)}
		}},
	}
	const requests = 96
	total := 0.0
	for n := range requests {
		total += 1 / float64(n+1)
	}
	given := make([]float64, len(sorts))
	for n := range requests {
		share, least := 1/float64(n+1)/total, 0
		for i := range sorts {
			if sorts[i].share-given[i] > sorts[least].share-given[least] {
				least = i
			}
		}
		given[least] += share
		r.entry(n, share, strings.Join(sorts[least].calls(n), ", "))
	}
}

func (r *realist) entry(n int, share float64, calls string) {
	service := edges[0]
	if !strings.Contains(calls, "web") {
		service = edges[n%len(edges)]
	}
	route := fmt.Sprintf("/v1/%s/%d", inside[n%len(inside)], n)
	r.add(service, `"%d": {name: GET %s, latency: *self, attributes: {<<: *http, http.route: %s, url.path: %s, enduser.id: *user, network.peer.port: *port}, calls: [%s]}`,
		n, route, route, route, calls)
	r.traces = append(r.traces, fmt.Sprintf("{name: GET %s, weight: %.6f, start: %s/%d}", route, share*100, service, n))
}

func (r *realist) pick(from []string, n int) string { return from[n%len(from)] }

const realisticHead = `# Made by realistic.go: traces that are distributed as those of large systems are.
name: realistic
description: shapes and latencies of large systems' traces, as the literature has them

resource:
  service.namespace: realistic
  service.version: 2.1.0
  deployment.environment.name: load
  telemetry.sdk.language: go
  telemetry.sdk.name: waybill-tracegen

definitions:
  self: &self {mixture: [{weight: 98, latency: {lognormal: {median: 2ms, sigma: 0.6}}}, {weight: 2, latency: {pareto: {min: 20ms, alpha: 1.6}, max: 5s}}]}
  cache: &cache {lognormal: {median: 400us, p99: 4ms}}
  database: &database {mixture: [{weight: 97, latency: {lognormal: {median: 1500us, sigma: 0.7}}}, {weight: 3, latency: {pareto: {min: 15ms, alpha: 1.4}, max: 10s}}]}
  redis: &redis {db.system.name: redis, server.address: cache.internal, server.port: 6379}
  postgres: &postgres {db.system.name: postgresql, db.namespace: main, server.address: db.internal, server.port: 5432}
  grpc: &grpc {rpc.system.name: grpc, rpc.response.status_code: OK}
  http: &http {http.request.method: GET, http.response.status_code: 200, url.scheme: https, network.protocol.version: "2"}
  user: &user {pattern: "user-{n}", cardinality: 100000}
  port: &port {int: [1024, 65535], per: span}

services:
`

func (r *realist) yaml() []byte {
	var out strings.Builder
	out.WriteString(realisticHead)
	for _, service := range r.order {
		fmt.Fprintf(&out, "  %s:\n    instances: %d\n    operations:\n", service, 2+r.random.IntN(5))
		for _, o := range r.operations[service] {
			fmt.Fprintf(&out, "      %s\n", o)
		}
	}
	out.WriteString("\ntraces:\n")
	for _, t := range r.traces {
		fmt.Fprintf(&out, "  - %s\n", t)
	}
	return []byte(out.String())
}
