package notification

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/wneessen/go-mail"
)

// SMTPConfig says which server sends the mail. The zero value is none: messages
// stay in the service's own outbox.
type SMTPConfig struct {
	// URL is smtp://user:password@host:port, or smtps:// where everything is
	// encrypted from the start; ports are 587 and 465 unless it says otherwise. User
	// and password may be missing. With ?tls=required STARTTLS must be there, which is
	// the rule with a password; with ?tls=optional, the rule without, it is used
	// where it is offered; ?tls=off does without. It may hold a password, so it is in
	// no log and no error.
	URL string
	// From is the sender of all mail, as "Name <address>".
	From string
	// TLS may have other roots than the system's; nil is the system's.
	TLS *tls.Config
}

// DefaultSMTPConfig has no server.
func DefaultSMTPConfig() SMTPConfig { return SMTPConfig{From: "Waybill shop <orders@shop.example>"} }

// relayAddress is where the server is, and who signs in.
type relayAddress struct {
	host           string
	port           int
	user, password string
	// immediate is TLS from the start; policy is whether STARTTLS must be.
	immediate bool
	policy    mail.TLSPolicy
}

// address reads the URL.
func (c SMTPConfig) address() (relayAddress, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return relayAddress{}, errors.New("the mail server's URL is none as smtp://user:password@host:587")
	}
	a := relayAddress{host: u.Hostname(), port: 587, user: u.User.Username(), immediate: u.Scheme == "smtps"}
	if a.immediate {
		a.port = 465
	}
	if text := u.Port(); text != "" {
		if a.port, err = strconv.Atoi(text); err != nil || a.port < 1 || a.port > 65535 {
			return relayAddress{}, errors.New("the mail server's port is not 1 to 65535")
		}
	}
	a.password, _ = u.User.Password()
	fallback := "optional"
	if a.user != "" {
		fallback = "required"
	}
	query := u.Query()
	wants := cmp.Or(query.Get("tls"), fallback)
	query.Del("tls")
	for unknown := range query {
		return relayAddress{}, fmt.Errorf("the mail server's URL has %q, which is none of its parameters: there is tls", unknown)
	}
	policy, known := map[string]mail.TLSPolicy{"required": mail.TLSMandatory, "optional": mail.TLSOpportunistic, "off": mail.NoTLS}[wants]
	if !known || a.immediate && wants == "off" {
		return relayAddress{}, fmt.Errorf("the mail server's URL has tls=%q: want required, optional or off, and not off with smtps", wants)
	}
	a.policy = policy
	if a.immediate {
		a.policy = mail.TLSOpportunistic // It finds that TLS is there.
	}
	return a, nil
}
