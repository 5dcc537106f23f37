package escalation

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"steward/internal/config"
	"steward/internal/testing/world"
)

// TestSlow_body sends a request by a token, and its last byte only after the token was revoked: it is nobody's request then.
func TestSlow_body(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := scene{t, w, w.Account(t, world.Admin)}
	mine, id := s.token(s.as(world.Admin), "createApiToken", nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	const body = `{"query": "{ viewer { user { email } } }"}`
	last := len(body) - 1
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		conn.RemoteAddr(), mine.Token, len(body), body[:last])
	if err != nil {
		t.Fatal(err)
	}
	w.Must(t, mine, `{ viewer { user { email } } }`, nil) // the token counts, and the server has had time to read what was sent
	s.must(s.as(world.Admin), "revokeApiToken", Vars{"apiTokenId": id})
	if _, err := io.WriteString(conn, body[last:]); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got world.Response
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || res.StatusCode != http.StatusUnauthorized || got.Code() != unauthenticated || got.Data != nil {
		t.Errorf("got %d, %v: %s", res.StatusCode, err, text)
	}
}

// TestSlow_operation revokes a token while an operation by it waits for rows: what they hold is not shown any more.
func TestSlow_operation(t *testing.T) {
	t.Parallel()
	var url string
	w := world.New(t, world.On(world.Postgres), world.WithConfig(func(c *config.Config) { url = c.DatabaseURL }))
	s := scene{t, w, w.Account(t, world.Admin)}
	mine, id := s.token(s.as(world.Admin), "createApiToken", nil)
	const page = `query($id: ID!) { node(id: $id) { ... on Account { contacts(first: 5) { edges { node { lastName email } } } } } }`
	vars := Vars{"id": s.a.ID}
	if res := w.Must(t, mine, page, vars); len(res.List("node.contacts.edges")) != 2 {
		t.Fatalf("the token shows %s", res.Body)
	}
	unlock := lockContacts(t, url)
	answered := make(chan world.Response, 1)
	go func() {
		defer close(answered)
		answered <- w.Do(t, mine, page, vars)
	}()
	s.until("the operation waits for the contacts", func() bool { return s.waiting("relation") == 1 })
	s.must(s.as(world.Admin), "revokeApiToken", Vars{"apiTokenId": id})
	unlock()
	if res := <-answered; res.Code() != unauthenticated || strings.Contains(string(res.Body), "@world.example") || strings.Contains(string(res.Body), s.a.Name) {
		t.Errorf("got %s", res.Body)
	}
}

// lockContacts keeps everybody from the contacts until the returned function is called.
func lockContacts(t *testing.T, url string) (unlock func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := conn.Exec(ctx, "COMMIT"); err != nil {
			t.Error(err)
		}
	}
}
