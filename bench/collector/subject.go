package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// subject is something between the load and the sink.
type subject struct {
	name   string
	about  string
	config func(setting) string
	binary func(binaries) string
	args   func(s setting, config string) []string
}

// setting is where a subject takes in, sends to, and keeps what it keeps.
type setting struct {
	listen  string
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
		ours("waybill", "durable and synced, forwards", `"off"`),
		other(),
		ours("waybill-red", "the same, and derives RED metrics", `"127.0.0.1:0"`),
		rival("otelcol-memory", "batch processor, queue in memory", way{batch: true}),
		rival("otelcol-queue", "batch processor, persistent queue, not synced", way{batch: true, persistent: true}),
		rival("otelcol-synced", "batch processor, persistent queue, synced", way{batch: true, persistent: true, fsync: true}),
		rival("otelcol-first", "persistent queue first, synced, batches in the queue", way{persistent: true, fsync: true}),
	}
}

func ours(name, about, derive string) subject {
	return subject{
		name: name, about: about,
		binary: func(b binaries) string { return b.ours },
		args:   func(_ setting, config string) []string { return []string{"--config", config} },
		config: func(s setting) string {
			return fmt.Sprintf(`
receive: {otlp: {grpc: {address: %q}, http: {address: "off"}}}
journal: {dir: %q, max_bytes: %d}
derive: {address: %s}
export: {traces: {endpoint: "http://%s", compression: none}}
admin: {address: "off"}
`, s.listen, filepath.Join(s.dir, "journal"), s.bytes, derive, s.backend.http)
		},
	}
}

// other is ours as some other build has it.
func other() subject {
	s := ours("other", "the build that -other names", `"off"`)
	s.binary = func(b binaries) string { return b.other }
	return s
}

// way is how the rival is configured; see the pages of its file_storage
// extension and of its exporterhelper.
type way struct {
	batch             bool // by the batch processor; else in the queue
	persistent, fsync bool // the queue
}

func rival(name, about string, w way) subject {
	return subject{
		name: name, about: about,
		binary: func(b binaries) string { return b.rival },
		args:   func(_ setting, config string) []string { return []string{"--config", config} },
		config: w.config,
	}
}

func (w way) config(s setting) string {
	extension, service, processors, queue := "", "", "", ""
	if w.persistent {
		extension = fmt.Sprintf("file_storage: {directory: %q, create_directory: true, fsync: %t}", filepath.Join(s.dir, "queue"), w.fsync)
		service = "file_storage"
		queue = "storage: file_storage, block_on_overflow: true"
	}
	if w.batch {
		processors = "batch"
	} else {
		queue += ", sizer: requests, batch: {sizer: items, flush_timeout: 200ms, min_size: 8192}"
	}
	return fmt.Sprintf(`
extensions: {%s}
receivers: {otlp: {protocols: {grpc: {endpoint: %q, max_recv_msg_size_mib: 64}}}}
processors: {batch: {}}
exporters:
  otlp_grpc:
    endpoint: %q
    compression: none
    tls: {insecure: true}
    retry_on_failure: {max_elapsed_time: 0s}
    sending_queue: {%s}
service:
  extensions: [%s]
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines: {traces: {receivers: [otlp], processors: [%s], exporters: [otlp_grpc]}}
`, extension, s.listen, s.backend.grpc, queue, service, processors)
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
