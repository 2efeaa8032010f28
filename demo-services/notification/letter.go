package notification

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"
	"go.opentelemetry.io/otel/trace"
)

// letter is the message as mail servers want it. Its Message-ID is the event's, so
// that who gets it twice can tell; its X-Trace-Id leads to the order's trace. What
// is in the message can't leave its header: the library encodes it.
func letter(m Message, from string, sc trace.SpanContext) (*mail.Msg, error) {
	l := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := l.From(from); err != nil {
		return nil, fmt.Errorf("sender %q: %w", from, err)
	}
	if err := l.To(m.Recipient); err != nil {
		return nil, &refusal{failure{"the recipient's address is none", "_OTHER"}}
	}
	l.Subject(m.Subject)
	l.SetDateWithValue(m.QueuedAt)
	l.SetMessageIDWithValue(messageID(m.EventID, from))
	l.SetGenHeader("Auto-Submitted", "auto-generated")
	l.SetGenHeader("X-Order-Id", m.OrderID)
	if sc.HasTraceID() {
		l.SetGenHeader("X-Trace-Id", sc.TraceID().String())
	}
	l.SetBodyString(mail.TypeTextPlain, m.Body)
	return l, nil
}

// messageID is the same for the same event: the event's id, with whatever may not
// stand in a Message-ID escaped, at the sender's domain.
func messageID(eventID, from string) string {
	_, domain, _ := strings.Cut(strings.TrimRight(from, ">"), "@")
	return url.QueryEscape(eventID) + "@" + domain
}

// printable says that a text can't begin a line of its own.
func printable(text string) bool {
	return !strings.ContainsFunc(text, unicode.IsControl)
}
