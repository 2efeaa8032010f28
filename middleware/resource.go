package middleware

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// newResource describes the service: what the process knows of itself, then
// OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and the options, the later before
// the earlier. The process's arguments and owner are left out, as they may be
// secrets.
func newResource(ctx context.Context, cfg config, env *environment) (*resource.Resource, error) {
	detected, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithOSType(), resource.WithContainerID(),
		resource.WithProcessPID(), resource.WithProcessExecutableName(),
		resource.WithProcessRuntimeName(), resource.WithProcessRuntimeVersion(),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) { // A container may hide some of it.
		return nil, fmt.Errorf("detect resource: %w", err)
	}
	attributes := append(detected.Attributes(),
		semconv.TelemetryDistroName.String("waybill"),
		semconv.ServiceName.String("unknown_service:"+filepath.Base(os.Args[0])),
		semconv.ServiceInstanceID.String(randomUUID()),
	)
	attributes = append(attributes, kubernetes(env, os.ReadFile)...)
	for _, pair := range env.jaegerTags() {
		attributes = append(attributes, attribute.String(pair[0], pair[1]))
	}
	if name := env.text("JAEGER_SERVICE_NAME"); name != "" {
		attributes = append(attributes, semconv.ServiceName.String(name))
	}
	pairs, err := env.pairs("OTEL_RESOURCE_ATTRIBUTES")
	if err != nil {
		env.warn(err)
	}
	for _, pair := range pairs {
		attributes = append(attributes, attribute.String(pair[0], pair[1]))
	}
	if name := env.text("OTEL_SERVICE_NAME"); name != "" {
		attributes = append(attributes, semconv.ServiceName.String(name))
	}
	attributes = append(attributes, cfg.attributes...)
	for key, value := range map[attribute.Key]string{
		semconv.ServiceName: cfg.serviceName, semconv.ServiceVersion: cfg.serviceVersion, semconv.ServiceInstanceID: cfg.instanceID,
	} {
		if value != "" {
			attributes = append(attributes, key.String(value))
		}
	}
	return resource.NewWithAttributes(semconv.SchemaURL, attributes...), nil
}

// randomUUID is a UUID of version 4.
func randomUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // It never fails.
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// percentDecoded leaves + alone, unlike the decoding of a query.
func percentDecoded(s string) (string, error) { return url.PathUnescape(strings.TrimSpace(s)) }
