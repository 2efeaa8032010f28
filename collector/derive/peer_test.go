package derive

import (
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/wire"
)

func TestPeer(t *testing.T) {
	number := &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 5}}
	for name, test := range map[string]struct {
		keys  string // empty: the default
		attrs []option
		want  string
		kind  connection
	}{
		"nothing":                            {"", nil, "", virtual},
		"an address":                         {"", []option{attr("server.address", "b")}, "b", virtual},
		"an old name of the address":         {"", []option{attr("net.peer.name", "b")}, "b", virtual},
		"a service is better than that":      {"", []option{attr("server.address", "b"), attr("peer.service", "c")}, "c", virtual},
		"a database":                         {"", []option{attr("server.address", "b"), attr("db.system.name", "redis")}, "redis", database},
		"an old database":                    {"", []option{attr("db.system", "redis")}, "redis", database},
		"a database between two conventions": {"", []option{attr("db.system", "postgresql"), attr("db.system.name", "postgres")}, "postgres", database},
		"the older of them is asked for":     {"db.system", []option{attr("db.system", "postgresql"), attr("db.system.name", "postgres")}, "postgresql", database},
		"a database by its name space":       {"db.namespace db.system.name", []option{attr("db.system.name", "redis"), attr("db.namespace", "cart")}, "cart", database},
		"a database that nobody names":       {"peer.service", []option{attr("db.system.name", "redis")}, "", database},
		"an embedded database":               {"", []option{attr("db.system.name", "sqlite"), attr("db.namespace", "orders")}, "sqlite/orders", database},
		"one by its old names":               {"", []option{attr("db.system", "sqlite"), attr("db.name", "orders")}, "sqlite/orders", database},
		"one of a server's databases":        {"", []option{attr("db.system.name", "postgresql"), attr("db.namespace", "orders"), attr("server.address", "b")}, "postgresql", database},
		"one by its own service":             {"", []option{attr("db.system.name", "postgresql"), attr("db.namespace", "orders"), attr("peer.service", "pg")}, "pg", database},
		"the newest name of a service":       {"", []option{attr("peer.service", "old"), attr("service.peer.name", "new")}, "new", virtual},
		"a long namespace":                   {"", []option{attr("db.system.name", "sqlite"), attr("db.namespace", strings.Repeat("z", 999))}, "sqlite/" + strings.Repeat("z", maxLabel-7), database},
		"a queue":                            {"", []option{attr("server.address", "b"), attr("messaging.system", "kafka")}, "kafka", message},
		"a database that is a queue":         {"messaging.system", []option{attr("messaging.system", "redis"), attr("db.system", "redis")}, "redis", database},
		"no text": {"", []option{func(s *tracepb.Span) {
			s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: "peer.service", Value: number}, &commonpb.KeyValue{Key: "db.system", Value: number})
		}, attr("server.address", "b")}, "b", virtual},
		"empty":                  {"", []option{attr("peer.service", ""), attr("db.system.name", ""), attr("server.address", "b")}, "b", virtual},
		"a key in another place": {"", []option{attr("x", "db.system.name"), attr("peer.services", "y")}, "", virtual},
		"a long one":             {"", []option{attr("peer.service", strings.Repeat("z", 999))}, strings.Repeat("z", maxLabel), virtual},
	} {
		t.Run(name, func(t *testing.T) {
			keys := DefaultConfig().Graph.PeerAttributes
			if test.keys != "" {
				keys = strings.Fields(test.keys)
			}
			request := record(t, "shop", make1(clientKind, test.attrs...)).Payload
			p := newPeers(keys)
			err := wire.WalkSpans(request, func(_ *wire.Resource, _ *wire.Scope, s *wire.Span) error {
				if got := p.of(s); string(got.name) != test.want || got.kind != test.kind {
					t.Errorf("%q, %q; want %q, %q", got.name, got.kind.label(), test.want, test.kind.label())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
