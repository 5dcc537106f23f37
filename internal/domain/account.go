package domain

import "time"

// Account is a customer of the provider.
type Account struct {
	ID        AccountID
	Name      string // the company's name, unique among accounts without regard to case and spacing
	Website   string // an http or https URL, or empty
	Phone     string
	Address   string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ContactState tells whether a contact's rights count.
type ContactState string

// A deactivated contact keeps its data and its permissions, and none of them counts until it is reactivated.
const (
	ContactActive      ContactState = "ACTIVE"
	ContactDeactivated ContactState = "DEACTIVATED"
)

// PersonKind is the kind of caller behind a contact.
type PersonKind string

// A contact without a person holds rights that nobody can use yet.
const (
	PersonNone           PersonKind = ""
	PersonUser           PersonKind = "user"
	PersonServiceAccount PersonKind = "service_account"
)

// Person is who stands behind a contact or a token: a user (a login) or a service account (a program).
type Person struct {
	Kind PersonKind
	ID   string
}

// UserPerson returns the person that is this user.
func UserPerson(id UserID) Person { return Person{PersonUser, string(id)} }

// ServiceAccountPerson returns the person that is this service account.
func ServiceAccountPerson(id ServiceAccountID) Person {
	return Person{PersonServiceAccount, string(id)}
}

// IsZero reports whether nobody stands there.
func (p Person) IsZero() bool { return p.Kind == PersonNone }

// String returns "user:ID" or "service_account:ID".
func (p Person) String() string { return string(p.Kind) + ":" + p.ID }

// Contact is the place of a person on an account.
type Contact struct {
	ID           ContactID
	AccountID    AccountID
	FirstName    string
	LastName     string
	Email        string // empty for service accounts
	PendingEmail string // a changed address of a linked contact, which counts once it is confirmed
	Phone        string
	Types        AccountTypeSet
	Permissions  PermissionSet
	Owner        bool // exactly one contact of an account is its owner
	State        ContactState
	Person       Person
	PersonOff    bool // the person behind the contact is disabled: none of its rights count
	OptOuts      []string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Name returns first and last name as people write them.
func (c Contact) Name() string {
	switch {
	case c.FirstName == "":
		return c.LastName
	case c.LastName == "":
		return c.FirstName
	}
	return c.FirstName + " " + c.LastName
}

// Effective reports whether the contact's rights count at present: it is active and an enabled person stands behind it.
func (c Contact) Effective() bool {
	return c.State == ContactActive && !c.Person.IsZero() && !c.PersonOff
}

// User is a person with a login, known by the issuer and the subject of its tokens.
type User struct {
	ID            UserID
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
	Name          string
	Disabled      bool
	CreatedAt     time.Time
}

// StaffRole is what a user is among the provider's own people.
type StaffRole string

// The staff roles of the law.
const (
	StaffSupport    StaffRole = "support"
	StaffAccounting StaffRole = "accounting"
)

// ServiceAccount is a program that acts for an account. It signs in by API tokens only.
type ServiceAccount struct {
	ID        ServiceAccountID
	AccountID AccountID
	Name      string
	Disabled  bool
	CreatedAt time.Time
}

// LinkKind tells what a mailed link does.
type LinkKind string

// The kinds of mailed links.
const (
	LinkInvitation   LinkKind = "invitation"
	LinkConfirmEmail LinkKind = "confirm_email"
)

// Link is a single-use, expiring link that was mailed to a contact. Only the hash of its secret is kept.
type Link struct {
	ID        LinkID
	Kind      LinkKind
	ContactID ContactID
	Email     string
	Hash      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero while unused
	VoidedAt  time.Time // zero while it counts
}

// Open reports whether the link can be used at now.
func (l Link) Open(now time.Time) bool {
	return l.UsedAt.IsZero() && l.VoidedAt.IsZero() && now.Before(l.ExpiresAt)
}

// APIToken lets a program act for a person. The secret is shown once; only its hash is kept.
type APIToken struct {
	ID         APITokenID
	Person     Person
	AccountID  AccountID // the account of the service account; empty for a user's own token
	ContactID  ContactID // the contact of the service account; empty for a user's own token
	Name       string
	Hash       []byte
	Scope      Scope
	CreatedBy  Person
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // zero until first used; kept to the minute
	RevokedAt  time.Time
}

// Usable reports whether the token signs somebody in at now.
func (t APIToken) Usable(now time.Time) bool { return t.RevokedAt.IsZero() && now.Before(t.ExpiresAt) }

// Scope narrows a token: it is ANDed onto every answer and can never widen one. The zero value narrows nothing.
type Scope struct {
	Permissions []string    // names as in the law, for example "view_contacts"; empty: all
	Accounts    []AccountID // empty: all
}

// Full reports whether the scope narrows nothing.
func (s Scope) Full() bool { return len(s.Permissions) == 0 && len(s.Accounts) == 0 }

// Within reports whether everything that s allows is allowed by outer too.
func (s Scope) Within(outer Scope) bool {
	return subset(s.Permissions, outer.Permissions) && subset(s.Accounts, outer.Accounts)
}

// subset reads an empty list as "all".
func subset[T comparable](inner, outer []T) bool {
	if len(outer) == 0 {
		return true
	}
	if len(inner) == 0 {
		return false
	}
	have := make(map[T]bool, len(outer))
	for _, v := range outer {
		have[v] = true
	}
	for _, v := range inner {
		if !have[v] {
			return false
		}
	}
	return true
}

// AuditEntry says who did what to what, when and why, with the values before and after. Nobody can edit one.
type AuditEntry struct {
	ID         AuditID
	AccountID  AccountID // empty for what concerns the platform as a whole
	At         time.Time
	Actor      Person
	ActorName  string
	TokenID    APITokenID // set when the actor used an API token
	Action     string     // the operation's name, for example "grant_permission"
	TargetKind string     // "account", "contact", "api_token", ...
	TargetID   string
	TargetName string
	Reason     string
	Request    string            // the recorded request on which staff acted
	Before     map[string]string // changed fields only; secrets are named, their values never written
	After      map[string]string
}

// JobState is how far a job is.
type JobState string

// The states of a job.
const (
	JobQueued  JobState = "QUEUED"
	JobRunning JobState = "RUNNING"
	JobDone    JobState = "DONE"
	JobFailed  JobState = "FAILED"
)

// Job is an import that runs in the background, survives a restart and can be queried.
type Job struct {
	ID         JobID
	Kind       string // "import_accounts"
	State      JobState
	DryRun     bool
	Invite     bool
	Person     Person // with whose rights the job is done
	ActorName  string
	Scope      Scope
	TokenID    APITokenID // set when an API token started it; the job ends with the token
	Request    string
	Reason     string
	Done       int // rows done
	Total      int
	Summary    ImportSummary
	Problems   []ImportProblem
	CreatedAt  time.Time
	FinishedAt time.Time
}

// ImportSummary counts what an import did, or would do in a dry run.
type ImportSummary struct {
	AccountsCreated, AccountsUnchanged int
	ContactsCreated, ContactsUnchanged int
}

// ImportProblem is one faulty line of an import file.
type ImportProblem struct {
	File    string // "accounts" or "contacts"
	Line    int    // 1-based, as editors count
	Column  string // the column's header as the file writes it; empty when it is the whole line
	Message string // what is wrong
	Mend    string // how to mend it
}

// Mail is a message that waits to be sent or was sent.
type Mail struct {
	ID        MailID
	Actor     string // who caused it, for example "user:ID"
	To        string
	Subject   string
	Text      string
	CreatedAt time.Time
	SentAt    time.Time
	Attempts  int
	NextTry   time.Time
	LastError string
}
