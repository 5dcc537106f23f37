package identity_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/identity"
)

func TestAPIToken_RoundTrip(t *testing.T) {
	shape := regexp.MustCompile(`^stw_[a-z2-7]{16}_[a-z2-7]{52}$`)
	seen := map[string]bool{}
	for range 1000 {
		text, id, hash := identity.NewAPIToken()
		if !shape.MatchString(text) || !strings.HasPrefix(text, "stw_"+id+"_") || !identity.IsAPIToken(text) {
			t.Fatalf("token %q with id %q", text, id)
		}
		if seen[id] || seen[string(hash)] || len(hash) != sha256.Size {
			t.Fatal("an id or a hash came twice, or the hash is short")
		}
		seen[id], seen[string(hash)] = true, true
		if bytes.Contains([]byte(text), hash) {
			t.Fatal("the hash stands in the text")
		}
		gotID, gotHash, ok := identity.ParseAPIToken(text)
		if !ok || gotID != id || !identity.SameHash(gotHash, hash) {
			t.Fatalf("parse %q: %q, %v", text, gotID, ok)
		}
	}
}

// Whatever is done to a token's text, what still parses is either the same text or another secret.
func TestAPIToken_Mutations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const letters = "abcdefghijklmnopqrstuvwxyz234567ABC018_-=. \n\x00é"
	text, id, hash := identity.NewAPIToken()
	parsed := 0
	for range 100_000 {
		b := []byte(text)
		for range 1 + random.IntN(3) {
			if len(b) == 0 {
				break
			}
			at := random.IntN(len(b))
			c := letters[random.IntN(len(letters))]
			switch random.IntN(4) {
			case 0:
				b[at] = c
			case 1:
				b = slices.Insert(b, at, c)
			case 2:
				b = slices.Delete(b, at, at+1)
			case 3:
				b = b[:at]
			}
		}
		gotID, gotHash, ok := identity.ParseAPIToken(string(b))
		if !ok {
			if gotID != "" || gotHash != nil {
				t.Fatalf("%q is refused but gives %q", b, gotID)
			}
			continue
		}
		parsed++
		if same := gotID == id && identity.SameHash(gotHash, hash); same != (string(b) == text) {
			t.Fatalf("%q counts as %q: %v", b, text, same)
		}
	}
	if parsed == 0 {
		t.Error("no mutation parsed, so nothing was compared")
	}
}

func TestAPIToken_Refused(t *testing.T) {
	text, id, _ := identity.NewAPIToken()
	last := text[len(text)-1]
	for name, bad := range map[string]string{
		"empty": "", "prefix": "stw_", "no_secret": "stw_" + id, "empty_secret": "stw_" + id + "_",
		"upper_case": strings.ToUpper(text), "upper_secret": text[:21] + strings.ToUpper(text[21:]),
		"space": " " + text, "line_end": text + "\n", "longer": text + "a", "shorter": text[:len(text)-1],
		"short_id": "stw_" + text[5:], "long_id": "stw_a" + text[4:], "id_outside_alphabet": "stw_0" + text[5:],
		"line_break_inside": text[:40] + "\n" + text[41:], "jwt": "eyJhbGciOiJub25lIn0.e30.",
		// The last character has four unused bits: the same secret in 16 spellings, of which one is right.
		"other_spelling": text[:len(text)-1] + string(rune(last+1)),
	} {
		if _, _, ok := identity.ParseAPIToken(bad); ok {
			t.Errorf("%s: %q was taken", name, bad)
		}
	}
}

func TestSameHash(t *testing.T) {
	_, _, hash := identity.NewAPIToken()
	_, _, other := identity.NewAPIToken()
	if !identity.SameHash(hash, slices.Clone(hash)) {
		t.Error("equal hashes differ")
	}
	for _, kept := range [][]byte{nil, {}, other, hash[:31]} {
		if identity.SameHash(hash, kept) || identity.SameHash(kept, hash) {
			t.Errorf("%x matches", kept)
		}
	}
	if identity.SameHash(nil, nil) {
		t.Error("no hash matches no hash")
	}
}

func TestBearer(t *testing.T) {
	const token = "stw_abc.DEF-123~x+/=="
	for name, test := range map[string]struct {
		headers []string
		want    string
		ok, bad bool
	}{
		"none":            {},
		"bearer":          {headers: []string{"Bearer " + token}, want: token, ok: true},
		"lower_case":      {headers: []string{"bearer " + token}, want: token, ok: true},
		"capitals":        {headers: []string{"BEARER " + token}, want: token, ok: true},
		"spaces":          {headers: []string{"Bearer   " + token + " "}, want: token, ok: true},
		"empty":           {headers: []string{""}, bad: true},
		"no_token":        {headers: []string{"Bearer"}, bad: true},
		"spaces_only":     {headers: []string{"Bearer   "}, bad: true},
		"only_equals":     {headers: []string{"Bearer =="}, bad: true},
		"bare_token":      {headers: []string{token}, bad: true},
		"basic":           {headers: []string{"Basic YTpi"}, bad: true},
		"no_space":        {headers: []string{"Bearer:" + token}, bad: true},
		"two_headers":     {headers: []string{"Bearer a", "Bearer a"}, bad: true},
		"second_empty":    {headers: []string{"Bearer a", ""}, bad: true},
		"two_in_one":      {headers: []string{"Bearer a, Bearer b"}, bad: true},
		"two_words":       {headers: []string{"Bearer a b"}, bad: true},
		"equals_inside":   {headers: []string{"Bearer a=b"}, bad: true},
		"control":         {headers: []string{"Bearer a\x00"}, bad: true},
		"outside_ascii":   {headers: []string{"Bearer é"}, bad: true},
		"huge":            {headers: []string{"Bearer " + strings.Repeat("a", identity.MaxTokenBytes+1)}, bad: true},
		"largest_allowed": {headers: []string{"Bearer " + strings.Repeat("a", identity.MaxTokenBytes)}, want: strings.Repeat("a", identity.MaxTokenBytes), ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/graphql?access_token=q&token=q", strings.NewReader("access_token=q"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, h := range test.headers {
				r.Header.Add("Authorization", h)
			}
			got, ok, err := identity.Bearer(r)
			if got != test.want || ok != test.ok || errors.Is(err, identity.ErrInvalidToken) != test.bad || (err != nil) != test.bad {
				t.Fatalf("got %.40q, %v, %v", got, ok, err)
			}
		})
	}
}
