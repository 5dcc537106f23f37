// Package config holds the settings of Steward: what they are called, what they mean and what they are unless told.
//
// Every setting can be given as a flag (--listen), in the environment (STEWARD_LISTEN) and in a file that --config names
// (listen: 127.0.0.1:9000). A flag wins over the environment, the environment over the file, the file over the default.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"strings"
	"time"
)

// Config is every setting. The zero value of a field means its default, which SetDefaults fills in. The kong tags give the
// meaning that `steward help` and docs/configuration.md print; a flag, its environment variable and its key in the file
// carry the same name.
type Config struct {
	Listen    string `group:"serving" placeholder:"HOST:PORT" help:"Address to listen on. Port 0 takes a free one."`
	Data      string `group:"serving" placeholder:"DIR" help:"Directory of everything that is kept. It belongs to one server at a time."`
	Demo      bool   `group:"serving" help:"Fill an empty data directory with demo data, sign its people in without passwords, and show mail instead of sending it. On loopback addresses only, unless oidc-issuer names the demo's issuer."`
	PublicURL string `group:"serving" name:"public-url" placeholder:"URL" help:"Where people reach the server: links in mails lead there, and requests under other host names are refused. Default: http:// and the address that is listened on."`
	// CORSOrigins are the origins of other sites whose pages may call the API.
	CORSOrigins     []string      `group:"serving" name:"cors-origins" placeholder:"ORIGIN" help:"Origins of single-page apps that may call the API from a browser, such as https://app.example.com."`
	ShutdownTimeout time.Duration `group:"serving" placeholder:"DURATION" help:"How long requests in flight may take to finish once the server is told to end."`

	DatabaseURL     string        `group:"parts" name:"database-url" placeholder:"URL" help:"PostgreSQL database that keeps everything, such as postgres://steward:password@db.example.com/steward?sslmode=verify-full. Without it the data directory holds an SQLite database. Prefer the environment or the file for what holds a password."`
	SpiceDBEndpoint string        `group:"parts" name:"spicedb-endpoint" placeholder:"HOST:PORT" help:"SpiceDB server, over TLS; http://127.0.0.1:50051 goes without it, on loopback only. Needs database-url. Without it SpiceDB runs in process, on the same database."`
	SpiceDBKey      string        `group:"parts" name:"spicedb-key" placeholder:"KEY" help:"Preshared key of the SpiceDB server. Prefer the environment or the file."`
	SpiceDBCA       string        `group:"parts" name:"spicedb-ca" placeholder:"FILE" help:"PEM file of the authority that has signed the SpiceDB server's certificate. Default: those of the system."`
	SpiceDBTimeout  time.Duration `group:"parts" name:"spicedb-timeout" placeholder:"DURATION" help:"How long one question to SpiceDB, or to the database for its generations, may take before the answer is UNAVAILABLE."`
	RedisURL        string        `group:"parts" name:"redis-url" placeholder:"URL" help:"Redis that keeps check results for all replicas, such as rediss://user:password@redis.example.com:6379/0. Forms with several hosts: redis+cluster://A,B and redis+sentinel://A,B/NAME. Needs database-url. Without it each process keeps its own."`
	RedisCA         string        `group:"parts" name:"redis-ca" placeholder:"FILE" help:"PEM file of the authority that has signed Redis' certificate. Default: those of the system."`
	CheckCacheBytes int64         `group:"parts" name:"check-cache-bytes" placeholder:"BYTES" help:"Most memory for check results in this process."`

	MetricsListen string `group:"observing" name:"metrics-listen" placeholder:"HOST:PORT" help:"Address that serves Prometheus metrics at /metrics. Without it there are none."`
	OTLPEndpoint  string `group:"observing" name:"otlp-endpoint" placeholder:"URL" help:"Collector that OpenTelemetry traces are sent to over HTTP, such as http://127.0.0.1:4318. Without it none are made."`

	// OIDCIssuer and OIDCAudience are pairs by position; one audience alone is that of every issuer.
	OIDCIssuer       []string `group:"sign-in" name:"oidc-issuer" placeholder:"URL" help:"Issuer of the OIDC bearer tokens that sign people in, exactly as the tokens name it."`
	OIDCAudience     []string `group:"sign-in" name:"oidc-audience" placeholder:"NAME" help:"Audience that a token must be meant for: one for each issuer, in the same order, or one for all of them."`
	OIDCDiscoveryURL []string `group:"sign-in" name:"oidc-discovery-url" placeholder:"URL" help:"Where an issuer's documents are fetched from, if not from the issuer's own address: one for each issuer, in the same order. https, except on this machine: what lies there decides who may sign in."`
	OIDCCA           string   `group:"sign-in" name:"oidc-ca" placeholder:"FILE" help:"PEM file of the authorities that have signed the certificates of issuers inside a company, beside those of the system."`

	SMTPURL  string `group:"mail" name:"smtp-url" placeholder:"URL" help:"Server that sends the mail: smtp://user:password@host:587 (STARTTLS, required unless the host is loopback) or smtps://user:password@host:465. Without it mail stays queued. Prefer the environment or the file: other users of the machine can read flags."`
	MailFrom string `group:"mail" placeholder:"ADDRESS" help:"Sender of the mail, such as Steward <steward@example.com>. Required with smtp-url."`

	MailsPerPerson  int `group:"mail" placeholder:"N" help:"Most mails that one person may cause within a day, imports apart. The demo sends none and has no limit."`
	MailsPerAddress int `group:"mail" placeholder:"N" help:"Most mails to one address within a day, imports apart."`

	LogLevel  string `group:"logging" placeholder:"LEVEL" help:"Least severe messages that are logged: debug, info, warn or error."`
	LogFormat string `group:"logging" placeholder:"FORMAT" help:"Form of the log on standard error: text or json."`

	Limits `embed:""`
}

// Limits bound what one request may cost.
type Limits struct {
	MaxBodyBytes     int64         `group:"limits" placeholder:"BYTES" help:"Longest body of a JSON request."`
	MaxUploadBytes   int64         `group:"limits" placeholder:"BYTES" help:"Longest request that carries files."`
	MaxTokens        int           `group:"limits" placeholder:"N" help:"Most words and signs of a GraphQL document."`
	MaxDepth         int           `group:"limits" placeholder:"N" help:"Most fields within fields."`
	MaxFields        int           `group:"limits" placeholder:"N" help:"Most fields of an operation, its fragments spread out."`
	MaxAliases       int           `group:"limits" placeholder:"N" help:"Most aliases of an operation."`
	OperationTimeout time.Duration `group:"limits" placeholder:"DURATION" help:"How long an operation may run. Reads and writes of the connection have longer limits of their own."`
}

// SetDefaults fills in each setting that is zero and has a default. PublicURL stays empty: its default is known once the
// server listens.
func (c *Config) SetDefaults() {
	orDefault(&c.Listen, "127.0.0.1:8080")
	orDefault(&c.Data, "./data")
	orDefault(&c.ShutdownTimeout, 30*time.Second)
	orDefault(&c.MailsPerPerson, 500)
	orDefault(&c.MailsPerAddress, 20)
	orDefault(&c.SpiceDBTimeout, 3*time.Second)
	orDefault(&c.CheckCacheBytes, 64<<20)
	orDefault(&c.LogLevel, "info")
	orDefault(&c.LogFormat, "text")
	orDefault(&c.MaxBodyBytes, 128<<10)
	orDefault(&c.MaxUploadBytes, 16<<20)
	orDefault(&c.MaxTokens, 2000)
	orDefault(&c.MaxDepth, 20)
	orDefault(&c.MaxFields, 1000)
	orDefault(&c.MaxAliases, 100)
	orDefault(&c.OperationTimeout, 10*time.Second)
}

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// SettingError says what is wrong with the value of a setting.
type SettingError struct {
	Setting string // as in the file, for example "public-url"
	Text    string // what it must be
}

func (e *SettingError) Error() string { return e.Setting + " " + e.Text }

// Validate reports every setting that cannot work, joined into one error of *SettingErrors. It expects SetDefaults to have run.
func (c *Config) Validate() error {
	var errs []error
	bad := func(setting, format string, args ...any) {
		errs = append(errs, &SettingError{setting, fmt.Sprintf(format, args...)})
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen", "must be HOST:PORT, such as 127.0.0.1:8080, not %q", c.Listen)
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			bad("public-url", "must be an http or https address, such as https://steward.example.com, not %q", c.PublicURL)
		}
	}
	for _, origin := range c.CORSOrigins {
		if u, err := url.Parse(origin); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			bad("cors-origins", "must be origins such as https://app.example.com, not %q", origin)
		}
	}
	if n, m := len(c.OIDCIssuer), len(c.OIDCAudience); m != n && (m != 1 || n == 0) {
		bad("oidc-audience", "must be given once for each oidc-issuer or once for all: there are %d issuers and %d audiences", n, m)
	}
	if n, m := len(c.OIDCIssuer), len(c.OIDCDiscoveryURL); m != n && m != 0 {
		bad("oidc-discovery-url", "must be given once for each oidc-issuer, or not at all: there are %d issuers and %d addresses", n, m)
	}
	c.validateMail(bad)
	c.validateParts(bad)
	if err := new(slog.Level).UnmarshalText([]byte(c.LogLevel)); err != nil || strings.ContainsAny(c.LogLevel, "+-") {
		bad("log-level", "must be debug, info, warn or error, not %q", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("log-format", "must be text or json, not %q", c.LogFormat)
	}
	c.validateLimits(bad)
	return errors.Join(errs...)
}

// validateParts checks which parts go together; each part reads its own address.
func (c *Config) validateParts(bad func(setting, format string, args ...any)) {
	// The values may hold passwords: they are not repeated.
	if c.DatabaseURL != "" && !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") {
		bad("database-url", "must look like postgres://user:password@host/database")
	}
	for _, s := range []struct{ setting, value string }{{"spicedb-endpoint", c.SpiceDBEndpoint}, {"redis-url", c.RedisURL}} {
		if s.value != "" && c.DatabaseURL == "" {
			bad(s.setting, "needs database-url: what lies in a data directory has one process, which keeps everything itself")
		}
	}
	if c.SpiceDBEndpoint != "" && c.SpiceDBKey == "" {
		bad("spicedb-key", "is required with spicedb-endpoint")
	}
	if c.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(c.MetricsListen); err != nil {
			bad("metrics-listen", "must be HOST:PORT, such as 127.0.0.1:9090, not %q", c.MetricsListen)
		}
	}
	if c.OTLPEndpoint != "" {
		if u, err := url.Parse(c.OTLPEndpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			bad("otlp-endpoint", "must be an http or https address, such as http://127.0.0.1:4318")
		}
	}
}

func (c *Config) validateMail(bad func(setting, format string, args ...any)) {
	if c.MailFrom != "" {
		if _, err := mail.ParseAddress(c.MailFrom); err != nil {
			bad("mail-from", "must be a mail address, such as Steward <steward@example.com>, not %q", c.MailFrom)
		}
	}
	if c.SMTPURL == "" {
		return
	}
	// The value may hold a password: it is not repeated.
	if u, err := url.Parse(c.SMTPURL); err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" {
		bad("smtp-url", "must look like smtp://user:password@host:587 or smtps://user:password@host:465")
	}
	if c.MailFrom == "" {
		bad("mail-from", "is required with smtp-url")
	}
}

func (c *Config) validateLimits(bad func(setting, format string, args ...any)) {
	for _, limit := range []struct {
		setting string
		value   int64
	}{
		{"max-body-bytes", c.MaxBodyBytes}, {"max-upload-bytes", c.MaxUploadBytes}, {"max-tokens", int64(c.MaxTokens)},
		{"max-depth", int64(c.MaxDepth)}, {"max-fields", int64(c.MaxFields)}, {"max-aliases", int64(c.MaxAliases)},
		{"spicedb-timeout", int64(c.SpiceDBTimeout)}, {"check-cache-bytes", c.CheckCacheBytes},
		{"operation-timeout", int64(c.OperationTimeout)}, {"shutdown-timeout", int64(c.ShutdownTimeout)},
	} {
		if limit.value <= 0 {
			bad(limit.setting, "must be above zero")
		}
	}
}
