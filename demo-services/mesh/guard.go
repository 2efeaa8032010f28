package mesh

import (
	"context"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Attributes of a call's span: which service calls, and why it was refused, if
// it was; the event is EventRefused.
const (
	AttributeCaller = attribute.Key("mesh.caller")
	AttributeReason = attribute.Key("mesh.refusal.reason")
	EventRefused    = "mesh.refused"
)

// UnaryGuard lets through what the policy allows. It goes inside the
// observation of calls, whose span tells of it.
func (m *Member) UnaryGuard(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := m.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// StreamGuard is UnaryGuard for streams, which are looked at when they begin.
func (m *Member) StreamGuard(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := m.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(server, stream)
}

// check is nil if the call may be made.
func (m *Member) check(ctx context.Context, method string) error {
	caller, ends := callerOf(ctx)
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(AttributeCaller.String(caller))
	reason := ""
	switch {
	case caller == "":
		reason = reasonCertificate
	case time.Now().After(ends):
		reason = reasonExpired
	case !m.config.Policy.Allows(m.service, caller, method):
		reason = reasonPolicy
	default:
		return nil
	}
	m.refused.total.WithLabelValues(reason, caller, strings.TrimPrefix(method, "/")).Inc()
	span.AddEvent(EventRefused, trace.WithAttributes(AttributeCaller.String(caller), AttributeReason.String(reason)))
	if reason == reasonPolicy {
		return status.Errorf(codes.PermissionDenied, "%s may not call %s of %s", caller, strings.TrimPrefix(method, "/"), m.service)
	}
	return status.Error(codes.Unauthenticated, "no certificate of the mesh")
}

// callerOf is the service at the other end of the call's connection, and when
// the certificate ends that it has shown; empty if it is none.
func callerOf(ctx context.Context) (service string, ends time.Time) {
	p, found := peer.FromContext(ctx)
	if !found {
		return "", time.Time{}
	}
	secured, is := p.AuthInfo.(credentials.TLSInfo)
	if !is || len(secured.State.PeerCertificates) == 0 {
		return "", time.Time{}
	}
	leaf := secured.State.PeerCertificates[0]
	id, err := x509svid.IDFromCert(leaf)
	if err != nil {
		return "", time.Time{}
	}
	return ServiceOf(id), leaf.NotAfter
}
