package notification

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// smtpRelay hands messages to a mail server, each in a dialogue of its own. Safe for
// concurrent use.
type smtpRelay struct {
	to     relayAddress
	from   string
	tls    *tls.Config
	tracer trace.Tracer
}

// newSMTPRelay checks the configuration; it does not wait for the server.
func newSMTPRelay(cfg SMTPConfig, tp trace.TracerProvider) (*smtpRelay, error) {
	to, err := cfg.address()
	if err != nil {
		return nil, err
	}
	if err := mail.NewMsg().From(cfg.From); err != nil {
		return nil, fmt.Errorf("the sender of mail, %q, is no address", cfg.From)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		config = cfg.TLS.Clone()
	}
	config.ServerName = to.host
	return &smtpRelay{to: to, from: cfg.From, tls: config, tracer: tp.Tracer("github.com/waybill-dev/waybill/demo-services/notification")}, nil
}

// send implements sender. Its span says where to and what came of it, and nothing of
// whom to. That the server has taken the message is what counts, whatever comes
// afterwards.
func (r *smtpRelay) send(ctx context.Context, m Message) (err error) {
	ctx, span := r.tracer.Start(ctx, "send mail", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("server.address", r.to.host), attribute.Int("server.port", r.to.port),
		attribute.String("network.transport", "tcp"), attribute.String("network.protocol.name", "smtp"),
		attribute.Int("shop.mail.attempt", m.Attempts),
	))
	defer func() {
		if err != nil {
			span.SetAttributes(attribute.String("error.type", errorType(err)))
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}()
	l, err := letter(m, r.from, span.SpanContext())
	if err != nil {
		return err
	}
	line := &line{ctx: ctx, tls: r.tls}
	defer line.close()
	if !r.to.immediate {
		line.tls = nil
	}
	client, err := r.client(line)
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, l); err != nil && !l.IsDelivered() {
		return failureOf(err)
	}
	return nil
}

// client speaks on the line. A password is sent only where nobody can listen; to a
// server that offers nothing better the library sends none.
func (r *smtpRelay) client(on *line) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithPort(r.to.port), mail.WithTimeout(sendTimeout), mail.WithTLSPolicy(r.to.policy), mail.WithTLSConfig(r.tls),
		mail.WithDialContextFunc(on.dial),
	}
	if r.to.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(r.to.user), mail.WithPassword(r.to.password))
	}
	return mail.NewClient(r.to.host, options...)
}

// line is a connection that ends with its context, which the library only minds while
// it dials.
type line struct {
	ctx  context.Context //nolint:containedctx // the attempt's, which a dialogue has no parameter for
	tls  *tls.Config     // nil is a connection that is not encrypted from the start
	conn net.Conn
	stop func() bool
}

func (l *line) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if l.tls != nil {
		conn, err = (&tls.Dialer{Config: l.tls}).DialContext(ctx, network, address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	l.conn, l.stop = conn, context.AfterFunc(l.ctx, func() { _ = conn.Close() })
	return conn, nil
}

// close ends the connection, which the library leaves open when greetings fail.
func (l *line) close() {
	if l.conn != nil {
		l.stop()
		_ = l.conn.Close() // It may be closed.
	}
}

// failureOf puts an error of the library into words that hold nothing of the
// message, of who gets it, or of who signs in: what servers say may repeat all of
// it. Only what a server says of the recipient or the message is final: what it says
// of us, a person may set right.
func failureOf(err error) error {
	sending, begun := errors.AsType[*mail.SendError](err)
	if begun && sending.ErrorCode() > 0 {
		f := failure{strings.TrimSpace(fmt.Sprintf("%s: %d %s", sending.Reason, sending.ErrorCode(), sending.EnhancedStatusCode())), strconv.Itoa(sending.ErrorCode())}
		if sending.ErrorCode() >= 500 && sending.Reason != mail.ErrSMTPMailFrom {
			return &refusal{f}
		}
		return &f
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return &failure{fmt.Sprintf("the mail server turns us away: %d", answer.Code), strconv.Itoa(answer.Code)}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return &failure{"the mail server takes too long", "timeout"}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &failure{certificate.Error(), "tls"}
	}
	if broken, ok := errors.AsType[*net.OpError](err); ok {
		return &failure{broken.Error(), "connection"}
	}
	if begun {
		return &failure{"the connection to the mail server broke while " + sending.Reason.String(), "connection"}
	}
	return &failure{err.Error(), "_OTHER"}
}
