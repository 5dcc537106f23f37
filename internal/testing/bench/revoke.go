package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"steward/internal/domain"
)

// revoked is what revoking on one replica and reading on the other came to.
type revoked struct {
	series
	stale int
}

// revokes takes a permission from a contact on one replica, over and over, and reads at once on the other.
func revokes(ctx context.Context, budget time.Duration, s *site) (out revoked, err error) {
	out.name = "revoke on one replica until it is refused on the other"
	look := s.lookAt()
	for end := time.Now().Add(budget); time.Now().Before(end); {
		if sees, err := s.sees(ctx, look); err != nil || !sees {
			return out, errors.Join(err, fmt.Errorf("a contact manager must see addresses, and sees them: %v", sees))
		}
		begin := time.Now()
		if err := s.mutate(ctx, "revokePermission"); err != nil {
			return out, err
		}
		sees, err := s.sees(ctx, look)
		if err != nil {
			return out, err
		}
		out.times = append(out.times, time.Since(begin))
		if sees {
			out.stale++
		}
		if err := s.mutate(ctx, "grantPermission"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// lookAt asks for the addresses of some contacts.
func (s *site) lookAt() []byte {
	b, _ := json.Marshal(map[string]any{
		"query":     `query Look($id: ID!) { node(id: $id) { ... on Account { contacts(first: 20) { edges { node { email } } } } } }`,
		"variables": map[string]any{"id": domain.GlobalID("Account", s.account)},
	})
	return b
}

// sees reports whether the contact manager is shown somebody else's address by the second replica.
func (s *site) sees(ctx context.Context, look []byte) (bool, error) {
	out, err := post(ctx, s.second, s.manager.Person.ID, look)
	return bytes.Contains(out, []byte(`"email":"c5@`)), err
}

func (s *site) mutate(ctx context.Context, mutation string) error {
	b, _ := json.Marshal(map[string]any{
		"query":     `mutation Change($id: ID!) { ` + mutation + `(input: {contactId: $id, permission: CONTACT_MANAGEMENT}) { auditId userErrors { message } } }`,
		"variables": map[string]any{"id": domain.GlobalID("Contact", s.managed)},
	})
	out, err := post(ctx, s.ours, "", b)
	if err == nil && bytes.Contains(out, []byte(`"errors"`)) {
		err = fmt.Errorf("%s: %s", mutation, out)
	}
	return err
}
