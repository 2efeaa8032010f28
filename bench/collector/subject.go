package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// subject is something between the load and the sink.
type subject struct {
	name  string
	about string
	duty

	// counts reads what was derived.
	counts func(ctx context.Context, st *stage) (calls, edges counts, err error)
	config func(setting) string
	binary func(binaries) string
	args   func(s setting, config string) []string
}

// setting is where a subject takes in, sends to, and keeps what it keeps.
type setting struct {
	listen  string
	scrape  string // where metrics are to be had
	backend endpoints
	dir     string
	bytes   int64 // what ours may occupy on disk
}

// The subjects. Nobody compresses, and all send to the sink what they would
// send to a backend in production: the rival over gRPC, its default.
func subjects() []subject {
	return []subject{
		{
			name: "pass-through", about: "a gRPC proxy that copies bytes without looking",
			config: func(setting) string { return "" },
			binary: func(b binaries) string { return b.passthrough },
			args: func(s setting, _ string) []string {
				return []string{"-listen", s.listen, "-to", s.backend.grpc}
			},
		},
		ours("waybill", "durable and synced, forwards", duty{}),
		other(),
		ours("waybill-red", "the same, and derives RED metrics", duty{red: true}),
		ours("waybill-graph", "the same, and the service graph", duty{red: true, graph: true}),
		ours("waybill-tail", "durable and synced, forwards what it samples at the tail", duty{tail: true}),
		rival("otelcol-memory", "batch processor, queue in memory", way{batch: true}),
		rival("otelcol-queue", "batch processor, persistent queue, not synced", way{batch: true, persistent: true}),
		rival("otelcol-synced", "batch processor, persistent queue, synced", way{batch: true, persistent: true, fsync: true}),
		rival("otelcol-first", "persistent queue first, synced, batches in the queue", way{persistent: true, fsync: true}),
		rival("otelcol-red", "batch processor, queue in memory, spanmetrics", way{batch: true, duty: duty{red: true}}),
		rival("otelcol-tail", "tail_sampling, batch processor, queue in memory", way{batch: true, shards: 1, duty: duty{tail: true}}),
		rival("otelcol-tail-tuned", "the same with num_shards 2, and 2 s after the root", way{batch: true, shards: 2, afterRoot: rootGrace, duty: duty{tail: true}}),
	}
}

// duty is what a subject does beside forwarding.
type duty struct{ red, graph, tail bool }

// How long samplers wait for a trace, and for what else there is of it when its
// root has come.
const (
	decisionWait = 10 * time.Second
	rootGrace    = 2 * time.Second
)

func (d duty) derive(s setting) string {
	if !d.red {
		return `{address: "off"}`
	}
	return fmt.Sprintf("{address: %q, graph: {enabled: %t}}", s.scrape, d.graph)
}

func (d duty) sample() string {
	if !d.tail {
		return "{}"
	}
	return fmt.Sprintf("{tail: {decision_wait: %v, root_grace: %v, policies: [{type: error}, {type: latency, min_duration: %v}, {type: probability, percent: %v}]}}",
		decisionWait, rootGrace, slowTrace, 100*keptShare)
}

func ours(name, about string, d duty) subject {
	return subject{
		name: name, about: about, duty: d,
		binary: func(b binaries) string { return b.ours },
		args:   func(_ setting, config string) []string { return []string{"--config", config} },
		counts: func(ctx context.Context, st *stage) (calls, edges counts, err error) {
			return scrape(ctx, st.at.scrape)
		},
		config: func(s setting) string {
			return fmt.Sprintf(`
receive:
  otlp: {grpc: {address: %q}, http: {address: "off"}}
  jaeger: {thrift_compact: {address: "off"}, thrift_binary: {address: "off"}, thrift_http: {address: "off"}, grpc: {address: "off"}, sampling: {address: "off"}}
  zipkin: {address: "off"}
journal: {dir: %q, max_bytes: %d}
derive: %s
sample: %s
export: {traces: {endpoint: "http://%s", compression: none}}
admin: {address: "off"}
`, s.listen, filepath.Join(s.dir, "journal"), s.bytes, d.derive(s), d.sample(), s.backend.http)
		},
	}
}

// other is ours as some other build has it.
func other() subject {
	s := ours("other", "the build that -other names", duty{})
	s.binary = func(b binaries) string { return b.other }
	return s
}

// way is how the rival is configured; see the pages of its file_storage
// extension, of its exporterhelper, and of its tail_sampling processor.
type way struct {
	batch             bool // by the batch processor; else in the queue
	persistent, fsync bool // the queue
	shards            int  // of tail_sampling
	afterRoot         time.Duration
	duty
}

func rival(name, about string, w way) subject {
	return subject{
		name: name, about: about, duty: w.duty,
		binary: func(b binaries) string { return b.rival },
		args:   func(_ setting, config string) []string { return []string{"--config", config} },
		counts: func(ctx context.Context, st *stage) (calls, edges counts, err error) { return st.metrics.read(ctx) },
		config: w.config,
	}
}

func (w way) config(s setting) string {
	var processors, extensions []string
	exporters, queue, extension := []string{"otlp_grpc"}, "", ""
	if w.persistent {
		extension = fmt.Sprintf("file_storage: {directory: %q, create_directory: true, fsync: %t}", filepath.Join(s.dir, "queue"), w.fsync)
		extensions = append(extensions, "file_storage")
		queue = "storage: file_storage, block_on_overflow: true"
	}
	if w.tail {
		processors = append(processors, "tail_sampling")
	}
	if w.batch {
		processors = append(processors, "batch")
	} else {
		queue += ", sizer: requests, batch: {sizer: items, flush_timeout: 200ms, min_size: 8192}"
	}
	metrics := ""
	if w.red {
		exporters = append(exporters, "spanmetrics")
		metrics = "metrics: {receivers: [spanmetrics], exporters: [otlp_http]}"
	}
	list := func(names []string) string { return strings.Join(names, ", ") }
	return fmt.Sprintf(`
extensions: {%s}
receivers: {otlp: {protocols: {grpc: {endpoint: %q, max_recv_msg_size_mib: 64}}}}
processors:
  batch: {}
%s
connectors: {spanmetrics: {metrics_flush_interval: %v}}
exporters:
  otlp_http: {endpoint: "http://%s", compression: none}
  otlp_grpc:
    endpoint: %q
    compression: none
    tls: {insecure: true}
    retry_on_failure: {max_elapsed_time: 0s}
    sending_queue: {%s}
service:
  extensions: [%s]
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines: {traces: {receivers: [otlp], processors: [%s], exporters: [%s]}, %s}
`, extension, s.listen, w.tailSampling(), flushEvery, s.backend.http, s.backend.grpc, queue, list(extensions), list(processors), list(exporters), metrics)
}

// tailSampling has room for as many traces, and remembers as many decisions, as
// ours does by default. By its own it does not look for roots, and has one shard.
func (w way) tailSampling() string {
	if !w.tail {
		return ""
	}
	return fmt.Sprintf(`  tail_sampling:
    decision_wait: %v
    decision_wait_after_root_received: %v
    num_traces: 200000
    expected_new_traces_per_sec: 10000
    decision_cache: {sampled_cache_size: 100000, non_sampled_cache_size: 100000}
    num_shards: %d
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: %d}}
      - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: %v}}`,
		decisionWait, w.afterRoot, w.shards, slowTrace.Milliseconds(), 100*keptShare)
}

// start writes the configuration and runs the subject.
func (s subject) start(ctx context.Context, b binaries, at setting) (*process, error) {
	config := filepath.Join(at.dir, s.name+".yaml")
	if err := os.WriteFile(config, []byte(s.config(at)), 0o600); err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, at.listen, s.binary(b), s.args(at, config)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return p, nil
}

// freeAddress is one that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
