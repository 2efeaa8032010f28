package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/waybill-dev/waybill/collector"
	shared "github.com/waybill-dev/waybill/internal/command"
	"github.com/waybill-dev/waybill/viewer"
)

// load puts the configuration file, if there is one, and what is the demo's own
// together.
func (w *whole) load() (collector.Config, viewer.Config, error) {
	view := viewer.DefaultConfig()
	view.MaxBytes = indexBytes
	cfg, err := collector.Load(w.config, w.getenv, map[string]any{"viewer": &view})
	if err != nil {
		return cfg, view, usageError{err}
	}
	if wants := cfg.Receive.OTLP.HTTP.Summary(); wants != "" {
		return cfg, view, usageError{fmt.Errorf("the services send without any protection, and receive.otlp.http wants %s", wants)}
	}
	standard := collector.DefaultConfig()
	// The shop speaks OTLP, and shares the machine with whatever else listens
	// there: other protocols are taken where the file says so.
	quiet := cfg.Receive.OTLPOnly()
	if reflect.DeepEqual(cfg.Receive.Jaeger, standard.Receive.Jaeger) {
		cfg.Receive.Jaeger = quiet.Jaeger
	}
	if reflect.DeepEqual(cfg.Receive.Zipkin, standard.Receive.Zipkin) {
		cfg.Receive.Zipkin = quiet.Zipkin
	}
	if cfg.Journal.Dir == standard.Journal.Dir {
		cfg.Journal.Dir = filepath.Join(w.data, "journal")
	}
	if cfg.Journal.MaxBytes == standard.Journal.MaxBytes {
		cfg.Journal.MaxBytes = journalBytes
	}
	cfg.Journal.Retain = true // The viewer has no cursor that would hold it back.
	return cfg, view, nil
}

// reload has the collector take over what the file says now, and the viewer the
// rule of its listener.
func (w *whole) reload() {
	shared.ReloadAll(w.collector, func() (collector.Config, shared.Beside, error) {
		cfg, view, err := w.load()
		if err != nil {
			return cfg, shared.Beside{}, err
		}
		beside, err := shared.BesideOf("viewer", w.view, view, view.Security, w.viewer, func(now viewer.Config) { w.view = now })
		return cfg, beside, err
	}, func(collector.Config) {}, w.logger.With("component", "collector"))
}

// startCollector starts the collector and the viewer of its journal, and
// returns the URL to which telemetry is sent.
func (w *whole) startCollector(ctx context.Context) (endpoint string, err error) {
	w.follow = shared.FollowFile(w.config, shared.LookEvery)
	w.started("following the configuration", func(context.Context) error { w.follow.Stop(); return nil })
	cfg, view, err := w.load()
	if err != nil {
		return "", err
	}
	col, err := collector.Start(ctx, cfg, w.logger.With("component", "collector"))
	if err != nil {
		return "", fmt.Errorf("collector: %w", err)
	}
	w.collector, w.view = col, view
	w.started("collector", col.Shutdown)
	if col.OTLPHTTP() == nil {
		return "", errors.New("the services send by OTLP over HTTP: receive.otlp.http.address must not be off")
	}
	v, err := viewer.Start(context.WithoutCancel(ctx), view, col.Journal(), w.logger.With("component", "viewer"),
		viewer.WithBoard(faultBoard(w.faults)))
	if err != nil {
		return "", err
	}
	w.viewer = v
	w.started("viewer", v.Shutdown)
	w.address("viewer", v.Addr(), "")
	w.address("metrics", col.Scrape(), "/metrics")
	w.address("collector", col.Admin(), "")
	return urlOf(col.OTLPHTTP()), nil
}
