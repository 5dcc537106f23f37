package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"steward/internal/domain"
)

// sendTimeout bounds the sending of one message, from the connection to the server's answer.
const sendTimeout = 30 * time.Second

// SMTP sends messages through one SMTP server, each over a connection of its own.
type SMTP struct {
	client *gomail.Client
	from   string
	host   string // of the sender's address, for message ids
}

// NewSMTP returns a sender for the server at rawURL:
//
//	smtp://user:password@mail.example.com:587   STARTTLS, without which nothing is sent unless the host is loopback
//	smtps://user:password@mail.example.com:465  TLS from the first byte
//
// The ports are the defaults. from is the sender, for example "Steward <steward@example.com>". The server is first asked
// when the first message leaves. Errors never repeat the URL, which may hold a password.
func NewSMTP(rawURL, from string) (*SMTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the SMTP URL must look like smtp://user:password@host:587")
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("the sender %q is not a mail address", from)
	}
	options := []gomail.Option{gomail.WithTimeout(sendTimeout)}
	port := 587
	switch {
	case u.Scheme == "smtps":
		port = 465
		options = append(options, gomail.WithSSL())
	case u.Scheme != "smtp":
		return nil, fmt.Errorf("the SMTP URL must begin with smtp:// or smtps://, not %s://", u.Scheme)
	case loopback(u.Hostname()):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errors.New("the port of the SMTP URL is not a number")
		}
	}
	options = append(options, gomail.WithPort(port))
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(u.Hostname(), options...)
	if err != nil {
		return nil, fmt.Errorf("the SMTP client: %w", err)
	}
	_, host, _ := strings.Cut(sender.Address, "@")
	return &SMTP{client: client, from: sender.String(), host: host}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send sends one message as plain text. An address that the server refuses for good is ErrRefused.
func (s *SMTP) Send(ctx context.Context, m domain.Mail) error {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(s.from); err != nil {
		return err
	}
	if err := msg.To(m.To); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.CreatedAt)
	msg.SetMessageIDWithValue(string(m.ID) + "@" + s.host)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := s.client.DialAndSendWithContext(ctx, msg)
	if refusal, ok := errors.AsType[*gomail.SendError](err); ok && refusal.Reason == gomail.ErrSMTPRcptTo && !refusal.IsTemp() {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
