package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/waybill-dev/waybill/demo-services/pause"
	"github.com/waybill-dev/waybill/middleware/client"
)

// Directory is what is known of the instances. It answers out of memory, and
// goes on with what it knows when the registry can't be reached: a caller finds
// out by itself that an instance is gone. Safe for concurrent use.
type Directory struct {
	registry *Registry
	now      func() time.Time
	traffic  *traffic

	mu      sync.Mutex
	entries map[string]entry // by key
	// judged is since when entries can be too old: none is for what was
	// missed while the registry could not be reached.
	judged time.Time
	// changed is closed, and replaced, when an instance comes, goes or moves.
	changed chan struct{}
}

type entry struct {
	instance Instance
	renewed  time.Time
}

// Directory returns one that knows nothing until Follow runs.
func (r *Registry) Directory() *Directory {
	d := &Directory{registry: r, now: time.Now, entries: map[string]entry{}, changed: make(chan struct{})}
	d.traffic = newTraffic(d.find)
	return d
}

// Follow keeps the directory up to date until the context ends.
func (d *Directory) Follow(ctx context.Context) {
	for {
		err := d.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		d.registry.logger.WarnContext(ctx, "the registry is not watched, and is tried again", "error", err)
		if pause.For(ctx, 500*time.Millisecond) != nil {
			return
		}
	}
}

// errWatchEnded is the end of a watch that nobody wanted to end.
var errWatchEnded = errors.New("the watch has ended")

// watch follows the bucket until the context or the watch ends.
func (d *Directory) watch(ctx context.Context) error {
	bucket, err := d.registry.bucket(ctx)
	if err != nil {
		return err
	}
	watcher, err := bucket.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Stop() }() // the server ends it too
	// Old entries are looked for as often as they are renewed.
	sweep := time.NewTicker(max(d.registry.config.Heartbeat/2, time.Millisecond))
	defer sweep.Stop()
	d.sweep(false)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case update, open := <-watcher.Updates():
			if !open {
				return errWatchEnded
			}
			if update != nil { // nil says that all that was there has been told
				d.apply(update)
			}
		case <-sweep.C:
			d.sweep(d.registry.js.Conn().Status() == nats.CONNECTED)
		}
	}
}

// apply takes one change of the bucket over.
func (d *Directory) apply(update jetstream.KeyValueEntry) {
	var instance Instance
	stays := update.Operation() == jetstream.KeyValuePut
	if stays {
		key := ""
		err := json.Unmarshal(update.Value(), &instance)
		if err == nil {
			key, err = instance.key()
		}
		if err != nil || key != update.Key() {
			d.registry.logger.Warn("an entry of the registry can't be read", "key", update.Key(), "error", err)
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before, known := d.entries[update.Key()]
	if stays {
		d.entries[update.Key()] = entry{instance: instance, renewed: d.now()}
	} else {
		d.drop(update.Key())
	}
	if known != stays || before.instance != instance {
		d.tell()
	}
}

// sweep forgets who was not heard of for too long, unless it could not be.
func (d *Directory) sweep(connected bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if !connected {
		d.judged = now
		return
	}
	for key, e := range d.entries {
		since := e.renewed
		if d.judged.After(since) {
			since = d.judged
		}
		if now.Sub(since) > d.registry.config.Expiry {
			d.registry.logger.Warn("an instance was not heard of and is out", "key", key, "address", e.instance.Address)
			d.drop(key)
			d.tell()
		}
	}
}

// drop takes an instance out that is gone. The caller holds the lock.
func (d *Directory) drop(key string) {
	d.traffic.forget(d.entries[key].instance)
	delete(d.entries, key)
}

// find is the instance with that address.
func (d *Directory) find(address string) (Instance, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.instance.Address == address {
			return e.instance, true
		}
	}
	return Instance{}, false
}

// all are the entries as they are now.
func (d *Directory) all() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.entries))
}

// tell wakes who waits for a change. The caller holds the lock.
func (d *Directory) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Instances are those of a service, in the order of their ids, and a channel
// that is closed when there may be others.
func (d *Directory) Instances(service string) (instances []Instance, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.instance.Service == service {
			instances = append(instances, e.instance)
		}
	}
	slices.SortFunc(instances, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	return instances, d.changed
}

// Count is how many instances each service has.
func (d *Directory) Count() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := map[string]int{}
	for _, e := range d.entries {
		counts[e.instance.Service]++
	}
	return counts
}

// Resolve implements client.Discovery. A service without instances is waited
// for as long as the context lasts, a second at most: it may be about to start.
func (d *Directory) Resolve(ctx context.Context, service string) ([]client.Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		instances, changed := d.Instances(service)
		if len(instances) > 0 {
			found := make([]client.Instance, len(instances))
			for i, instance := range instances {
				found[i] = client.Instance{Address: instance.Address, Weight: instance.Weight}
			}
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil // the client says that there is none
		}
	}
}
