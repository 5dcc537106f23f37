package matrix

import (
	"context"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// people are the callers that signed in as users; programs and anonymous callers are not among them.
var people = slices.DeleteFunc(slices.Clone(world.Callers), func(k Kind) bool {
	return slices.Contains(signedOut, k) || k == world.ServiceAccount || k == world.NarrowedToken
})

func (c *cell) token(global string) (t domain.APIToken) {
	_, id, _ := domain.ParseGlobalID(global)
	c.w.View(c, func(ctx context.Context, tx *store.Tx) (err error) {
		t, err = tx.APIToken(ctx, domain.APITokenID(id))
		return err
	})
	return t
}

func (c *cell) tokens(p domain.Person) (list []domain.APIToken) {
	c.w.View(c, func(ctx context.Context, tx *store.Tx) (err error) {
		list, err = tx.TokensOfPerson(ctx, p)
		return err
	})
	return list
}

// tokenOf makes a token of the kind's own, once for a cell.
func (c *cell) tokenOf(k Kind) string {
	if c.made == "" {
		p := c.a.As(c, k)
		res, err := c.w.Service.CreateAPIToken(c.Context(), domain.Actor{Person: p.Is, Name: p.Name}, service.CreateToken{Name: "own", ExpiresInDays: 1})
		if err != nil {
			c.Fatal(err)
		}
		c.made = domain.GlobalID("ApiToken", domain.APITokenID(res.ID))
	}
	return c.made
}

func revokeInput(c *cell) world.Vars { return world.Vars{"apiTokenId": c.object()} }

func revoked(c *cell) bool { return !c.token(c.object()).RevokedAt.IsZero() }

func called(name string) func(domain.APIToken) bool {
	return func(t domain.APIToken) bool { return t.Name == name }
}

var tokenOperations = []operation{
	{
		name: "createServiceAccountToken", law: "manage_service_accounts", needs: "manage_service_accounts", can: "Contact.manageServiceAccounts",
		rows: []row{
			{on: world.ServiceAccount, may: kinds(owner, admins)},
			{on: self, may: only(world.ServiceAccount), but: []exception{{kinds(owner, admins), mend("CONFLICT")}}},
			{on: world.Target, but: []exception{{kinds(owner, admins), mend("CONFLICT")}}},
			{on: world.Owner, but: []exception{{admins, mend("CONFLICT")}}},
			{on: elsewhere, but: []exception{{otherSide, mend("CONFLICT")}}},
		},
		input: func(c *cell) world.Vars { return onContact(c, world.Vars{"name": "made"}) },
		happened: func(c *cell) bool {
			return slices.ContainsFunc(c.tokens(c.contact().Person), called("made"))
		},
	},
	{
		// Of a service account: who sees the token at all may also end it.
		name: "revokeApiToken", part: "of a program", law: "revoke_api_token", needs: "revoke_api_token", can: "ApiToken.revokeApiToken",
		rows: []row{
			{on: here, may: kinds(owner, admins), seen: kinds(owner, admins)},
			{on: there, may: otherSide, seen: otherSide},
		},
		extra: only(world.ServiceAccount),
		input: revokeInput, happened: revoked,
		object: func(c *cell) string { return c.account().TokenID },
	},
	{
		name: "revokeApiToken", part: "of one's own", law: "revoke_api_token", needs: "revoke_api_token", can: "ApiToken.revokeApiToken",
		// The narrowed token is the owner's, and its scope says nothing of tokens.
		rows:  []row{{on: here, may: people, seen: people, skip: only(world.ServiceAccount, world.Disabled, world.Anonymous)}},
		input: revokeInput, happened: revoked,
		object: func(c *cell) string {
			if c.who == "" {
				return ""
			}
			return c.tokenOf(c.who)
		},
	},
	{
		name: "revokeApiToken", part: "of another person", law: "revoke_api_token", needs: "revoke_api_token", can: "ApiToken.revokeApiToken",
		rows:  []row{{on: here, may: nobody, seen: []Kind{}}},
		input: revokeInput, happened: revoked,
		object: func(c *cell) string { return c.tokenOf(world.Target) },
	},
	{
		name: "createApiToken",
		rows: []row{{on: nothing, may: people, but: []exception{
			{only(world.ServiceAccount), because("needs_login", "create_api_token")},
			{only(world.NarrowedToken), because("token_scope", "createApiToken")},
		}}},
		input: func(*cell) world.Vars { return world.Vars{"name": "made"} },
		happened: func(c *cell) bool {
			return slices.ContainsFunc(c.tokens(c.caller.Is), called("made"))
		},
	},
}

const createServiceAccountToken = `mutation($input: CreateServiceAccountTokenInput!) { createServiceAccountToken(input: $input) { secret apiToken { id } userErrors { code field } } }`

// A token that was made through the API signs in what it was made for, and nobody once it is revoked.
func tokensSignIn(t *testing.T, r run) {
	w := r.w
	a := w.Account(t, world.Admin, world.ServiceAccount)
	admin := a.As(t, world.Admin)
	res := w.Must(t, admin, createServiceAccountToken, world.Vars{"input": world.Vars{"contactId": a.Contact(world.ServiceAccount), "name": "job"}})
	program := world.Person{Email: "program", Token: res.Text("createServiceAccountToken.secret")}
	const who = `{ viewer { user { id } serviceAccount { name } accounts { totalCount } } }`
	if got := w.Must(t, program, who, nil); got.Text("viewer.serviceAccount.name") == "" || got.Get("viewer.user") != nil || got.Get("viewer.accounts.totalCount") != 1.0 {
		t.Errorf("the program is %s", got.Body)
	}
	id := res.Text("createServiceAccountToken.apiToken.id")
	w.Must(t, admin, operation{name: "revokeApiToken"}.document(), world.Vars{"input": world.Vars{"apiTokenId": id}})
	if got := w.Do(t, program, who, nil); got.Code() != "UNAUTHENTICATED" || got.Get("viewer") != nil {
		t.Errorf("a revoked token signs in: %s", got.Body)
	}
}

// A token makes none that may more than itself.
func tokensNarrowedMakesNoneThatIsWider(t *testing.T, r run) {
	w := r.w
	a := w.Account(t, world.ServiceAccount)
	other := w.Other(t)
	owner := a.As(t, world.Owner)
	made := w.Must(t, owner, `mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret } }`, world.Vars{"input": world.Vars{
		"name": "narrow", "expiresInDays": 2,
		"scope": world.Vars{"permissions": []string{"view_account", "view_contacts", "manage_service_accounts"}, "accountIds": []string{a.ID}},
	}})
	narrow := world.Person{Token: made.Text("createApiToken.secret")}
	scope := func(permissions, accounts []string) world.Vars {
		s := world.Vars{}
		if permissions != nil {
			s["permissions"] = permissions
		}
		if accounts != nil {
			s["accountIds"] = accounts
		}
		return s
	}
	for _, c := range []struct {
		name  string
		scope world.Vars
		ok    bool
	}{
		{"none", nil, false},
		{"the same", scope([]string{"view_account", "view_contacts", "manage_service_accounts"}, []string{a.ID}), true},
		{"less", scope([]string{"view_account"}, []string{a.ID}), true},
		{"more permissions", scope([]string{"view_account", "remove_contact"}, []string{a.ID}), false},
		{"all permissions", scope(nil, []string{a.ID}), false},
		{"all accounts", scope([]string{"view_account"}, nil), false},
		{"another account", scope([]string{"view_account"}, []string{other.ID}), false},
	} {
		in := world.Vars{"contactId": a.Contact(world.ServiceAccount), "name": c.name, "expiresInDays": 366}
		if c.scope != nil {
			in["scope"] = c.scope
		}
		res := w.Do(t, narrow, createServiceAccountToken, world.Vars{"input": in})
		if made := res.Text("createServiceAccountToken.secret") != ""; made != c.ok || (!c.ok && res.Text("createServiceAccountToken.userErrors.0.code") != "BAD_USER_INPUT") {
			t.Errorf("%s: %s", c.name, res.Body)
		}
	}
	cell := &cell{TB: t, w: w, a: a}
	row, _ := a.Row(t, world.ServiceAccount)
	for _, tok := range cell.tokens(row.Person) {
		if tok.Name == "the same" && tok.ExpiresAt.Sub(tok.CreatedAt).Hours() > 48 {
			t.Errorf("the token outlives the one that made it: until %s", tok.ExpiresAt)
		}
	}
}

// A token that is narrowed to an account finds nothing of another, though its holder does, and changes nothing there.
func tokensNarrowedToAnAccount(t *testing.T, r run) {
	w := r.w
	a, other := w.Account(t), w.AnotherOther(t)
	admin := w.As(t, world.TwoHats) // a contact here, an Admin there
	made := w.Must(t, admin, `mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret } }`, world.Vars{"input": world.Vars{
		"name": "here only", "scope": world.Vars{"accountIds": []string{a.ID}},
	}})
	narrow := world.Person{Token: made.Text("createApiToken.secret"), Is: admin.Is}
	res := w.Must(t, narrow, `query($ids: [ID!]!) { viewer { accounts { totalCount edges { node { id } } } contacts { id } apiTokens { id } } nodes(ids: $ids) { id } }`,
		world.Vars{"ids": []string{a.ID, a.Contact(world.Target), other.ID, other.Contact(world.Target), other.TokenID}})
	if got := idsAt(res, "viewer.accounts.edges", "node"); !slices.Equal(got, []string{a.ID}) || res.Get("viewer.accounts.totalCount") != 1.0 {
		t.Errorf("the token sees the accounts %q", got)
	}
	if got := idsAt(res, "nodes", ""); !slices.Equal(got, []string{a.ID, a.Contact(world.Target), "", "", ""}) {
		t.Errorf("the token sees %s", res.Body)
	}
	if len(res.List("viewer.apiTokens")) != 0 {
		t.Errorf("the token sees what belongs to no account: %s", res.Body)
	}
	before := other.Rows(t)
	got := w.Do(t, narrow, operation{name: "removeContact"}.document(), world.Vars{"input": world.Vars{"contactId": other.Contact(world.Target)}})
	if got.Code() != "NOT_FOUND" || other.Rows(t) != before {
		t.Errorf("the token changes another account: %s", got.Body)
	}
	if got := w.Do(t, admin, operation{name: "removeContact"}.document(), world.Vars{"input": world.Vars{"contactId": other.Contact(world.Target)}}); len(got.Errors) > 0 {
		t.Errorf("the holder may: %s", got.Body)
	}
}
