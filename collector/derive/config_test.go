package derive

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/listen"
)

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"address: ":                              func(c *Config) { c.Address = "nowhere" },
		`address: "127.0.0.1:99999": the port`:   func(c *Config) { c.Address = "127.0.0.1:99999" },
		"tls.key_file: it wants a cert_file":     func(c *Config) { c.TLS.KeyFile = "key.pem" },
		"auth.bearer: the token is empty":        func(c *Config) { c.Auth.Bearer = listen.Tokens{""} },
		"max_series: 99":                         func(c *Config) { c.MaxSeries = 99 },
		"max_series_per_service: 0":              func(c *Config) { c.MaxSeriesPerService = 0 },
		"expire_after: -1s":                      func(c *Config) { c.ExpireAfter = -time.Second },
		`names: "tempo": want jaeger or grafana`: func(c *Config) { c.Names = "tempo" },
		"dimensions: 17 of them":                 func(c *Config) { c.Dimensions = strings.Split(strings.Repeat("x", 17), "") },
		`dimensions[1]: "http_route": the label`: func(c *Config) { c.Dimensions = []string{"http.route", "http_route"} },
		`dimensions[0]: "span.name": the label`:  func(c *Config) { c.Dimensions = []string{"span.name"} },
		`dimensions[0]: "__name__"`:              func(c *Config) { c.Dimensions = []string{"__name__"} },
		"dimensions[0]: nothing":                 func(c *Config) { c.Dimensions = []string{""} },
		"exclude[1]: want":                       func(c *Config) { c.Exclude = []Rule{{Kind: "server"}, {}} },
		`exclude[0].kind: "SERVER"`:              func(c *Config) { c.Exclude = []Rule{{Kind: "SERVER"}} },
		"buckets: 0.1 after 0.1":                 func(c *Config) { c.Buckets = []float64{0.1, 0.1} },
		"buckets: 0 after 0":                     func(c *Config) { c.Buckets = []float64{0} },
		"buckets: NaN":                           func(c *Config) { c.Buckets = []float64{math.NaN()} },
		"buckets: +Inf":                          func(c *Config) { c.Buckets = []float64{1, math.Inf(1)} },
		"buckets: 65 of them":                    func(c *Config) { c.Buckets = make([]float64, 65) },
		"buckets: none":                          func(c *Config) { c.Buckets, c.NativeHistograms = nil, false },
		"remote_write.interval: 0s":              func(c *Config) { c.RemoteWrite.Interval = 0 },
		"otlp.timeout: 0s":                       func(c *Config) { c.OTLP.Timeout = 0 },
		"graph.wait: 0s":                         func(c *Config) { c.Graph.Wait = 0 },
		"graph.max_pending: 0":                   func(c *Config) { c.Graph.MaxPending = 0 },
		`graph.user_node: ""`:                    func(c *Config) { c.Graph.UserNode = "" },
		`graph.user_node: "\xff"`:                func(c *Config) { c.Graph.UserNode = "\xff" },
		"graph.max_edges: 99":                    func(c *Config) { c.Graph.MaxEdges = 99 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestConfigOff(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Address = "off"
	if err := cfg.Validate(); err != nil || cfg.Enabled() {
		t.Errorf("%v, enabled %v", err, cfg.Enabled())
	}
	cfg.OTLP.Endpoint = "http://127.0.0.1:4318"
	if err := cfg.Validate(); err != nil || !cfg.Enabled() {
		t.Errorf("with a push: %v, enabled %v", err, cfg.Enabled())
	}
}
