package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/waybill-dev/waybill/demo-services/pause"
)

// Keep keeps the instance's entry alive while it is well, until the context
// ends, and takes it away then, unless the context's cause is an error of its
// own: then the entry is left to expire, as a crash would leave it. It waits for the server as long as it must.
// The error is that of an instance that can't be registered at all.
func (r *Registry) Keep(ctx context.Context, instance Instance, well func(context.Context) error) error {
	key, err := instance.key()
	if err != nil {
		return err
	}
	entry, err := json.Marshal(instance)
	if err != nil {
		return fmt.Errorf("encode instance: %w", err)
	}
	var bucket jetstream.KeyValue
	failing := false
	for {
		var err error
		if bucket == nil {
			bucket, err = r.bucket(ctx)
		}
		if err == nil {
			err = r.renew(ctx, bucket, key, entry, well)
		}
		if ctx.Err() != nil {
			break
		}
		if failed := err != nil; failed != failing {
			failing = failed
			if failed {
				r.logger.WarnContext(ctx, "instance is not registered", "key", key, "error", err)
			} else {
				r.logger.InfoContext(ctx, "instance is registered", "key", key, "address", instance.Address)
			}
		}
		wait := r.config.Heartbeat
		if failing {
			wait = min(wait, time.Second)
		}
		if pause.For(ctx, wait) != nil {
			break
		}
	}
	if bucket != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // it is the cause of who gives none
		r.leave(ctx, bucket, key)
	}
	return nil
}

// renew looks whether the instance is well, and says so.
func (r *Registry) renew(ctx context.Context, bucket jetstream.KeyValue, key string, entry []byte, well func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(r.config.Heartbeat, time.Second))
	defer cancel()
	if err := well(ctx); err != nil {
		return fmt.Errorf("the instance is not well: %w", err)
	}
	_, err := bucket.Put(ctx, key, entry)
	return err
}

// leave takes the entry away. Without it the entry expires.
func (r *Registry) leave(ctx context.Context, bucket jetstream.KeyValue, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := bucket.Delete(ctx, key); err != nil {
		r.logger.WarnContext(ctx, "instance does not leave the registry and expires", "key", key, "error", err)
	}
}
