package export

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/waybill-dev/waybill/collector/journal"
)

// patience is how a forwarder waits. Tests have less of it.
type patience struct {
	// first is the time between the first two attempts, half of it more or
	// less, as all the others. It grows to most where a backend answers that it
	// cannot take anything, and to silent where nobody answers: asking then
	// costs nobody anything, and who has come back is soon found.
	first, most, silent time.Duration
	// unsure is how long a single record is sent again that the backend fails
	// over, before others are tried, and again before it is to blame.
	unsure time.Duration
	// scout is the least time between two looks at the journal's end.
	scout time.Duration
}

func defaultPatience() patience {
	return patience{first: 250 * time.Millisecond, most: 5 * time.Second, silent: time.Second, unsure: 5 * time.Second, scout: time.Minute}
}

func (p patience) ceiling(a answer) time.Duration {
	if a.silent {
		return p.silent
	}
	return p.most
}

// spread makes the wait that a backend asks for a little longer, by chance, so
// that not everyone comes back at the same time.
func spread(wait time.Duration) time.Duration {
	return wait + rand.N(wait/10+1) //nolint:gosec // Nobody gains by guessing it.
}

// persist sends records as one request, again and again while that may help, and
// for that long where the backend fails over them. The error says that the
// forwarder is being stopped.
func (f *forwarder) persist(stop, send context.Context, records []journal.Record, unsureFor time.Duration) (answer, error) {
	defer f.client.release()
	if err := f.client.load(records); err != nil {
		return answer{verdict: refused, reason: err.Error()}, nil
	}
	intervals := backoff.NewExponentialBackOff()
	intervals.InitialInterval = f.patience.first
	began := time.Now()
	var a answer
	attempt := func() (answer, error) {
		a = f.attempt(send)
		if a.verdict == unsure && time.Since(began) < unsureFor {
			a.verdict = later
		}
		intervals.MaxInterval = f.patience.ceiling(a)
		switch {
		case a.verdict != later:
			return a, nil
		case a.wait > 0:
			return a, errors.Join(errors.New(a.reason), &backoff.RetryAfterError{Duration: spread(a.wait)})
		}
		return a, errors.New(a.reason)
	}
	_, err := backoff.Retry(stop, attempt,
		backoff.WithBackOff(intervals),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(_ error, next time.Duration) {
			f.meters.retries.Inc()
			f.notices.failed(a.reason, f.condition.failed(a.reason), next)
		}))
	if err == nil && a.verdict == accepted {
		f.notices.answered(f.condition.answered())
	}
	return a, err
}

func (f *forwarder) attempt(send context.Context) answer {
	began := time.Now()
	a := f.client.send(send)
	f.meters.answered(a.verdict, time.Since(began))
	return a
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
