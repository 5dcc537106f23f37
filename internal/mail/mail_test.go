package mail_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/mail"
	"steward/internal/store"
	"steward/internal/store/sqlite"
)

// smtpServer takes messages on loopback. It answers as refuse says to RCPT.
type smtpServer struct {
	addr string
	mu   sync.Mutex
	got  []string // envelope and data of each message that was taken
	rcpt string   // what RCPT is answered
}

func startSMTP(t *testing.T) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{addr: l.Addr().String(), rcpt: "250 ok"}
	var wg sync.WaitGroup
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range open {
			c.Close() // what a client has left open
		}
		s.mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			open[c] = true
			s.mu.Unlock()
			wg.Go(func() { defer c.Close(); s.serve(c) })
		}
	})
	return s
}

func (s *smtpServer) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") }
	in := bufio.NewScanner(c)
	say("220 loopback ESMTP")
	var message strings.Builder
	for data := false; in.Scan(); {
		line := in.Text()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case data && line == ".":
			data = false
			s.mu.Lock()
			s.got = append(s.got, message.String())
			s.mu.Unlock()
			message.Reset()
			say("250 taken")
		case data:
			message.WriteString(line + "\n")
		case verb == "EHLO":
			say("250-loopback")
			say("250 8BITMIME")
		case verb == "RCPT":
			s.mu.Lock()
			answer := s.rcpt
			s.mu.Unlock()
			message.WriteString(line + "\n")
			say(answer)
		case verb == "DATA":
			data = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *smtpServer) answerRcpt(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcpt = text
}

func (s *smtpServer) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func openStore(t *testing.T) *store.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "steward.db"), sqlite.MigrateFirst())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func write(t *testing.T, db *store.DB, at time.Time, to string) domain.MailID {
	t.Helper()
	m := domain.Mail{
		ID: domain.NewID[domain.MailID](), To: to, Subject: "You are invited to Brückner", CreatedAt: at,
		Text: "Hello Zoë,\n\nhttp://127.0.0.1:8080/#invitation=secret\n",
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.InsertMail(t.Context(), m) }); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func find(t *testing.T, db *store.DB, to string) domain.Mail {
	t.Helper()
	var mails []domain.Mail
	err := db.View(t.Context(), func(tx *store.Tx) (err error) {
		mails, err = tx.MailsTo(t.Context(), to, 10)
		return err
	})
	if err != nil || len(mails) != 1 {
		t.Fatalf("mails to %s: %v, %v", to, mails, err)
	}
	return mails[0]
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestWorker_sendsAndForgetsTheText(t *testing.T) {
	server, db := startSMTP(t), openStore(t)
	c := &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	sender, err := mail.NewSMTP("smtp://"+server.addr, "Steward <steward@provider.example>")
	if err != nil {
		t.Fatal(err)
	}
	id := write(t, db, c.now(), "zoe@brueckner.example")
	w := mail.NewWorker(db, sender, c.now, quiet())
	for range 2 { // the second time there is nothing left to send
		if err := w.SendDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := server.messages()
	if len(got) != 1 {
		t.Fatalf("the server took %d messages, want 1", len(got))
	}
	for _, want := range []string{
		"RCPT TO:<zoe@brueckner.example>", `From: "Steward" <steward@provider.example>`, "Message-ID: <" + string(id) + "@provider.example>",
		"To: <zoe@brueckner.example>", "=?UTF-8?q?You_are_invited_to_Br=C3=BCckner?=", "Content-Type: text/plain; charset=UTF-8", "#invitation=3Dsecret",
	} {
		if !strings.Contains(got[0], want) {
			t.Errorf("the message has no %q:\n%s", want, got[0])
		}
	}
	m := find(t, db, "zoe@brueckner.example")
	if m.Text != "" || !m.SentAt.Equal(c.now()) || m.Attempts != 1 || m.LastError != "" {
		t.Errorf("after sending the row is %+v, want it sent now, without its text", m)
	}
}

func TestWorker_triesAgainLater(t *testing.T) {
	server, db := startSMTP(t), openStore(t)
	c := &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	start := c.now()
	sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
	if err != nil {
		t.Fatal(err)
	}
	w := mail.NewWorker(db, sender, c.now, quiet())
	server.answerRcpt("451 come back later")
	write(t, db, c.now(), "zoe@brueckner.example")
	var m domain.Mail
	for try := 1; try <= 20; try++ {
		if err := w.SendDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m = find(t, db, "zoe@brueckner.example"); m.Attempts != try || !m.SentAt.IsZero() {
			t.Fatalf("after try %d the row is %+v", try, m)
		}
		if try == 20 {
			break
		}
		if wait := m.NextTry.Sub(c.now()); m.Text == "" || wait < time.Minute || wait > 6*time.Hour || (try == 1 && wait > time.Minute) {
			t.Fatalf("after try %d the next one is in %s, the text is %q", try, wait, m.Text)
		}
		c.add(m.NextTry.Sub(c.now()) - time.Millisecond)
		if err := w.SendDue(t.Context()); err != nil { // a millisecond too early
			t.Fatal(err)
		}
		c.add(time.Millisecond)
	}
	if took := c.now().Sub(start); took < 48*time.Hour || took > 96*time.Hour {
		t.Errorf("20 tries took %s, want two to four days", took)
	}
	if m.Text != "" || !strings.Contains(m.LastError, "451") || m.NextTry.Before(c.now().AddDate(100, 0, 0)) {
		t.Errorf("after the last try the row is %+v, want it given up", m)
	}
}

func TestWorker_givesUpWhatIsRefusedForGood(t *testing.T) {
	server, db := startSMTP(t), openStore(t)
	c := &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
	if err != nil {
		t.Fatal(err)
	}
	server.answerRcpt("550 no such mailbox")
	write(t, db, c.now(), "gone@brueckner.example")
	if err := mail.NewWorker(db, sender, c.now, quiet()).SendDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := find(t, db, "gone@brueckner.example"); m.Attempts != 1 || m.Text != "" || !strings.Contains(m.LastError, "550") {
		t.Errorf("the row is %+v, want it given up after one try", m)
	}
}

func TestWorker_wakesOnANudge(t *testing.T) {
	server, db := startSMTP(t), openStore(t)
	sent := make(chan domain.MailID, 2)
	sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
	if err != nil {
		t.Fatal(err)
	}
	w := mail.NewWorker(db, note{sender, sent}, time.Now, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	defer func() { cancel(); wg.Wait() }()
	for range 2 {
		want := write(t, db, time.Now().Add(-time.Minute), string(domain.NewID[domain.MailID]())+"@brueckner.example")
		w.Nudge()
		select {
		case got := <-sent:
			if got != want {
				t.Errorf("sent %s, want %s", got, want)
			}
		case <-time.After(15 * time.Second):
			t.Fatal("a nudge did not make the message leave")
		}
	}
}

// note tells of each message that was sent.
type note struct {
	mail.Sender
	sent chan<- domain.MailID
}

func (n note) Send(ctx context.Context, m domain.Mail) error {
	err := n.Sender.Send(ctx, m)
	if err == nil {
		n.sent <- m.ID
	}
	return err
}

// A server that is not on this machine and offers no STARTTLS gets nothing. The name "LOCALHOST" stands for it: it leads here, but is
// not spelled as one that may do without.
func TestSMTP_requiresTLS(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"http://mail.example.com", "smtp:// or smtps://"}, {"smtp://", "must look like"}, {"smtp://h:0x1", "must look like"},
	} {
		if _, err := mail.NewSMTP(c.url, "a@b.example"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s gives %v, want %q", c.url, err, c.want)
		}
	}
	if _, err := mail.NewSMTP("smtp://u:secret%@h", "a@b.example"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a broken URL gives %v, which must not repeat the password", err)
	}
	server := startSMTP(t)
	_, port, _ := net.SplitHostPort(server.addr)
	for url, want := range map[string]string{"smtps://" + server.addr: "tls", "smtp://LOCALHOST:" + port: "STARTTLS"} {
		sender, err := mail.NewSMTP(url, "a@b.example")
		if err != nil {
			t.Fatal(err)
		}
		err = sender.Send(t.Context(), domain.Mail{ID: "x", To: "zoe@brueckner.example", CreatedAt: time.Now()})
		if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want one that names %s", url, err, want)
		}
	}
	if got := server.messages(); len(got) != 0 {
		t.Errorf("the server took %q without TLS", got)
	}
}
