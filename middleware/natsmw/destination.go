package natsmw

import (
	"strings"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// temporary is how the conventions name destinations that nobody has named.
const temporary = "(temporary)"

// destination is where messages go, in the words of a metric: one of the two
// is set. It takes few values.
type destination struct{ name, template string }

// subject is how a subject is named without WithDestination.
func subject(subject string) string {
	if strings.HasPrefix(subject, nats.InboxPrefix) {
		return temporary
	}
	return subject
}

// to tells where a subject leads.
func (m *Messenger) to(subject string) destination {
	if name := m.destination(subject); name != subject {
		return destination{template: name}
	}
	return destination{name: subject}
}

// String is its name in a span's name.
func (d destination) String() string { return d.name + d.template }

// appendTo adds a span's attributes. Their number is no matter there, so the
// subject is told whole.
func (d destination) appendTo(attributes []attribute.KeyValue, subject string) []attribute.KeyValue {
	attributes = append(attributes, semconv.MessagingDestinationName.String(subject))
	switch d.template {
	case "":
		return attributes
	case temporary:
		return append(attributes, semconv.MessagingDestinationTemporary.Bool(true))
	default:
		return append(attributes, semconv.MessagingDestinationTemplate.String(d.template))
	}
}
