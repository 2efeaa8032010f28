package control

import (
	"encoding/pem"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// idOf is the SPIFFE id of a service whose name has been checked.
func idOf(service string) string {
	id, err := mesh.ID(service)
	if err != nil {
		panic("BUG: a service that is called " + service + " was not refused")
	}
	return id.String()
}

// anyMember begins the ids of all services of the mesh.
func anyMember() string { return mesh.TrustDomain.IDString() + "/service/" }

func exactly(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: text}}
}

func beginsWith(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: text}}
}

// identity is how a proxy of the service proves who it is, and whom it believes:
// those whom the authority has given an id that matches. Both come by the same
// stream as the rest, so that keys are never on the proxy's disk.
func identity(service string, believed *matcherv3.StringMatcher, protocols ...string) *tlsv3.CommonTlsContext {
	return &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
		},
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: idOf(service), SdsConfig: overADS()}},
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: &tlsv3.CertificateValidationContext{
					MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{SanType: tlsv3.SubjectAltNameMatcher_URI, Matcher: believed}},
				},
				ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: mesh.TrustDomain.IDString(), SdsConfig: overADS()},
			},
		},
		AlpnProtocols: protocols,
	}
}

// receiving is the TLS of a sidecar's connections from others, all of whom have
// to be members of the mesh.
func receiving(service string) *corev3.TransportSocket {
	return tlsSocket(&tlsv3.DownstreamTlsContext{
		CommonTlsContext:         identity(service, beginsWith(anyMember()), "h2", "http/1.1"),
		RequireClientCertificate: wrapperspb.Bool(true),
		// Who resumes a session is not verified again.
		SessionTicketKeysType:            &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true},
		DisableStatefulSessionResumption: true,
	})
}

// calling is the TLS of a proxy's connections to another service, which nobody
// else is believed to be.
func calling(service, other string) *corev3.TransportSocket {
	return tlsSocket(&tlsv3.UpstreamTlsContext{
		CommonTlsContext: identity(service, exactly(idOf(other)), "h2"),
		Sni:              other,
	})
}

// holder has the certificate of a service's proxies, which it replaces when half
// of its time is over. It is not safe for concurrent use.
type holder struct {
	authority *Authority
	lifetime  time.Duration
	held      map[string]held
}

type held struct {
	secret *tlsv3.Secret
	made   time.Time
}

// secrets are the certificate of the service, and what others' are believed by.
func (h *holder) secrets(service string, now time.Time) ([]types.Resource, bool, error) {
	last, is := h.held[service]
	renewed := !is || now.Sub(last.made) >= h.lifetime/2
	if renewed {
		certificate, key, err := h.authority.Issue(service, h.lifetime)
		if err != nil {
			return nil, false, fmt.Errorf("make a certificate for the proxy of %s: %w", service, err)
		}
		last = held{made: now, secret: &tlsv3.Secret{Name: idOf(service), Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline("CERTIFICATE", certificate), PrivateKey: inline("PRIVATE KEY", key),
		}}}}
		h.held[service] = last
	}
	authority := &tlsv3.Secret{Name: mesh.TrustDomain.IDString(), Type: &tlsv3.Secret_ValidationContext{
		ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline("CERTIFICATE", h.authority.root.Raw)},
	}}
	return []types.Resource{last.secret, authority}, renewed, nil
}

func inline(kind string, der []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})}}
}
