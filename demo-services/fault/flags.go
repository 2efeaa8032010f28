package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// ErrUnknown is a fault that there is not.
var ErrUnknown = errors.New("there is no such fault")

// Flags says which faults are on, and switches them. A nil *Flags has none that
// is on. Safe for concurrent use.
type Flags struct {
	path     string
	provider *provider
	client   *openfeature.Client
	writing  sync.Mutex
}

// opened counts the flags of this process: each are a domain of OpenFeature's.
var opened atomic.Int64

// Open returns the flags in the file. One that is missing has no fault on, and
// is made when one is switched. Other processes may open it, too.
func Open(path string, logger *slog.Logger) (*Flags, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	p := &provider{path: path, logger: logger, now: time.Now}
	domain := fmt.Sprint(path, "#", opened.Add(1))
	if err := openfeature.SetNamedProviderAndWait(domain, p); err != nil {
		return nil, fmt.Errorf("open flags: %w", err)
	}
	return &Flags{path: path, provider: p, client: openfeature.NewClient(domain)}, nil
}

// On says whether the fault is on. The span in the context gets an event if it
// is, as the semantic conventions have it.
func (f *Flags) On(ctx context.Context, key string) bool {
	if f == nil {
		return false
	}
	// The error is that the file does not have the flag: it is off.
	on, _ := f.client.BooleanValue(ctx, key, false, openfeature.EvaluationContext{})
	if on {
		trace.SpanFromContext(ctx).AddEvent("feature_flag.evaluation", trace.WithAttributes(
			attribute.String("feature_flag.key", key),
			attribute.String("feature_flag.provider.name", f.provider.Metadata().Name),
			attribute.String("feature_flag.result.variant", "on"),
		))
	}
	return on
}

// Set switches a fault on or off, for everybody who has the file open.
func (f *Flags) Set(key string, on bool) error {
	if _, known := Find(key); !known {
		return fmt.Errorf("%s: %w", key, ErrUnknown)
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	if err := set(f.path, key, on); err != nil {
		return fmt.Errorf("switch %s: %w", key, err)
	}
	f.provider.forget()
	return nil
}
