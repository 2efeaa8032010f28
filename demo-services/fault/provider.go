package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
)

// lookEvery is how old an answer may be: the file is looked at by whoever asks,
// but not more often. Its size and time say whether it is another.
const lookEvery = 200 * time.Millisecond

// provider answers OpenFeature out of a file. Safe for concurrent use.
type provider struct {
	path   string
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	looked time.Time
	stamp  string // what the file was like when it was read
	flags  map[string]flag
}

// look reads the file if it may have changed. A file that can't be read
// changes nothing.
func (p *provider) look(ctx context.Context) {
	now := p.now()
	if now.Sub(p.looked) < lookEvery {
		return
	}
	p.looked = now
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		p.flags, p.stamp = nil, ""
		return
	}
	var content []byte
	if err == nil {
		stamp := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		if stamp == p.stamp {
			return
		}
		p.stamp = stamp
		content, err = os.ReadFile(p.path)
	}
	var flags map[string]flag
	if err == nil {
		flags, err = parse(content)
	}
	if err != nil {
		p.logger.WarnContext(ctx, "the faults stay as they were", "file", p.path, "error", err)
		return
	}
	p.flags = flags
}

// forget has the next question look at the file.
func (p *provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = time.Time{}
}

// BooleanEvaluation implements openfeature.FeatureProvider.
func (p *provider) BooleanEvaluation(ctx context.Context, key string, fallback bool, _ openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(ctx)
	f, known := p.flags[key]
	answer := openfeature.BoolResolutionDetail{Value: fallback}
	switch {
	case !known:
		answer.Reason = openfeature.ErrorReason
		answer.ResolutionError = openfeature.NewFlagNotFoundResolutionError(key + " is not in the file")
	case f.State == disabled:
		answer.Reason = openfeature.DisabledReason
	default:
		answer.Value, answer.Variant, answer.Reason = f.Variants[f.DefaultVariant], f.DefaultVariant, openfeature.StaticReason
	}
	return answer
}

// Metadata implements openfeature.FeatureProvider.
func (*provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: "flag file"} }

// Hooks implements openfeature.FeatureProvider.
func (*provider) Hooks() []openfeature.Hook { return nil }

// mismatch is the answer for the types that no fault has.
func mismatch() openfeature.ProviderResolutionDetail {
	return openfeature.ProviderResolutionDetail{
		Reason: openfeature.ErrorReason, ResolutionError: openfeature.NewTypeMismatchResolutionError("faults are on or off"),
	}
}

// StringEvaluation implements openfeature.FeatureProvider.
func (*provider) StringEvaluation(_ context.Context, _, fallback string, _ openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return openfeature.StringResolutionDetail{Value: fallback, ProviderResolutionDetail: mismatch()}
}

// FloatEvaluation implements openfeature.FeatureProvider.
func (*provider) FloatEvaluation(_ context.Context, _ string, fallback float64, _ openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return openfeature.FloatResolutionDetail{Value: fallback, ProviderResolutionDetail: mismatch()}
}

// IntEvaluation implements openfeature.FeatureProvider.
func (*provider) IntEvaluation(_ context.Context, _ string, fallback int64, _ openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return openfeature.IntResolutionDetail{Value: fallback, ProviderResolutionDetail: mismatch()}
}

// ObjectEvaluation implements openfeature.FeatureProvider.
func (*provider) ObjectEvaluation(_ context.Context, _ string, fallback any, _ openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return openfeature.InterfaceResolutionDetail{Value: fallback, ProviderResolutionDetail: mismatch()}
}
