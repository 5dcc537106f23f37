package domain

// Actor is who makes a request, as sign-in established it. The zero value is nobody.
type Actor struct {
	Person        Person
	Name          string
	Email         string
	EmailVerified bool
	Staff         []StaffRole // the provider's people; SpiceDB decides by its own relationships, this serves the audit log
	TokenID       APITokenID  // set when an API token was used
	Scope         Scope       // what that token is narrowed to
}

// Anonymous reports whether nobody signed in.
func (a Actor) Anonymous() bool { return a.Person.IsZero() }
