package rediscache

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dialTimeout bounds one connection, with its TLS handshake. Nobody waits for it longer than for an answer: it goes on in
// the background, and the next wave finds the connection.
const dialTimeout = 2 * time.Second

// server is what a redis-url says. The forms:
//
//	redis://user:password@localhost:6379/0     one server; the port and the database are the defaults
//	rediss://user:password@redis.example:6379  the same over TLS
//	unix://user:password@/run/redis.sock?db=0  one server on this machine
//	redis+cluster://a:6379,b:6379,c:6379       a cluster, by some of its nodes; it has no databases
//	redis+sentinel://user:password@s1:26379,s2:26379/mymaster/0?sentinel-user=u&sentinel-password=p
//	                                           the master that the sentinels name; user and password are the master's
//
// rediss+cluster and rediss+sentinel are the same over TLS, to every node and sentinel. Certificates are verified, against
// redis-ca if it is set and the system's authorities if not, and always name the address that is dialled: cluster nodes
// and masters must announce the names in their certificates (cluster-announce-hostname, sentinel announce-hostnames).
//
// Without TLS nothing but this machine is dialled, also when a cluster or a sentinel names another one, unless the URL ends
// in ?plaintext=yes: whoever can write to the connection can make the cache say yes. Characters of a password other than
// letters, digits and -._~ are percent-encoded. Errors never repeat the URL, which may hold a password.
type server struct {
	kind      string // "", "unix", "cluster" or "sentinel"
	tls       bool
	plaintext bool
	addrs     []string
	master    string
	db        int

	user, password                 string
	sentinelUser, sentinelPassword string
}

const forms = "such as redis://localhost:6379/0, rediss://user:password@redis.example:6379, unix:///run/redis.sock, " +
	"rediss+cluster://a:6379,b:6379 or rediss+sentinel://s1:26379,s2:26379/mymaster/0"

func parseURL(raw string) (*server, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	base, kind, _ := strings.Cut(scheme, "+")
	s := &server{kind: kind, tls: base == "rediss"}
	switch {
	case scheme == "unix":
		s.kind = "unix"
	case base != "redis" && base != "rediss", kind != "cluster" && kind != "sentinel" && kind != "", strings.HasSuffix(scheme, "+"):
		return nil, errors.New("redis-url: write one of the known forms, " + forms)
	}
	// Several hosts are not a host to net/url: it reads the rest.
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@") + 1
	hosts := rest[at:end]
	u, err := url.Parse("redis://" + rest[:at] + "host" + rest[end:])
	if err != nil || u.Fragment != "" {
		return nil, errors.New("redis-url: not a URL; percent-encode every character of the user and the password that is not a letter, a digit or one of -._~")
	}
	if s.password, _ = u.User.Password(); u.User.Username() != "" && s.password == "" {
		return nil, errors.New("redis-url: a user without a password; write user:password@, or neither")
	}
	s.user = u.User.Username()
	if err := cmp.Or(s.hosts(hosts), s.path(u.Path), s.query(u.RawQuery)); err != nil {
		return nil, err
	}
	return s, s.mayBePlain()
}

// query reads the parameters; the default of sentinel-user is no user, whatever the master's is.
func (s *server) query(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("redis-url: what follows the ? is not name=value&name=value with percent-encoded values")
	}
	for name, v := range values {
		switch {
		case len(v) != 1:
			return fmt.Errorf("redis-url: the parameter %s stands there more than once", name)
		case name == "plaintext" && s.tls:
			return errors.New("redis-url: rediss:// is never plain text; remove plaintext, or write redis://")
		case name == "plaintext" && v[0] == "yes":
			s.plaintext = true
		case name == "plaintext":
			return errors.New("redis-url: the parameter plaintext is yes, or not there")
		case name == "sentinel-user" && s.kind == "sentinel":
			s.sentinelUser = v[0]
		case name == "sentinel-password" && s.kind == "sentinel":
			s.sentinelPassword = v[0]
		case name == "db" && s.kind == "unix":
			if s.db, err = database(v[0]); err != nil {
				return err
			}
		default:
			return errors.New("redis-url: unknown parameter; there are plaintext, with unix:// also db, and with sentinels also sentinel-user and sentinel-password")
		}
	}
	if s.sentinelUser != "" && s.sentinelPassword == "" {
		return errors.New("redis-url: a sentinel-user without a sentinel-password; write both, or neither")
	}
	return nil
}

// path reads what follows the hosts: the socket, the master's name, the database.
func (s *server) path(path string) (err error) {
	if s.kind == "unix" {
		if s.addrs = []string{path}; len(path) < 2 {
			return errors.New("redis-url: unix:// needs the path of the socket, such as unix:///run/redis.sock")
		}
		return nil
	}
	db := strings.Trim(path, "/")
	switch s.kind {
	case "cluster":
		if db != "" {
			return errors.New("redis-url: a cluster has no databases; remove what follows the hosts")
		}
	case "sentinel":
		if s.master, db, _ = strings.Cut(db, "/"); s.master == "" {
			return errors.New("redis-url: sentinels need the name of the master, such as rediss+sentinel://s1:26379,s2:26379/mymaster")
		}
	}
	if db != "" {
		s.db, err = database(db)
	}
	return err
}

func database(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errors.New("redis-url: the database is not a number such as 0")
	}
	return int(n), nil
}

func (s *server) hosts(list string) error {
	if s.kind == "unix" {
		if list != "" {
			return errors.New("redis-url: unix:// has no host; write three slashes, such as unix:///run/redis.sock")
		}
		return nil
	}
	port := "6379"
	if s.kind == "sentinel" {
		port = "26379"
	}
	for addr := range strings.SplitSeq(list, ",") {
		u, err := url.Parse("redis://" + addr)
		if err != nil || u.Hostname() == "" || u.Host != addr {
			return errors.New("redis-url: a host is missing or not host:port (percent-encode a password); the forms are " + forms)
		}
		s.addrs = append(s.addrs, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	}
	if len(s.addrs) > 1 && s.kind == "" {
		return errors.New("redis-url: several hosts are a cluster or sentinels; begin with rediss+cluster:// or rediss+sentinel://")
	}
	return nil
}

func (s *server) mayBePlain() error {
	if s.kind == "unix" || s.tls || s.plaintext || !slices.ContainsFunc(s.addrs, func(addr string) bool { return !loopback(addr) }) {
		return nil
	}
	return errors.New("redis-url: a Redis on another machine needs TLS: begin with rediss, or end in ?plaintext=yes if the network is yours alone")
}

func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip.IsLoopback()
}

// client returns a client that does nothing on its own: no retries, which the deadline of a wave has no time for, and no
// connection before the first command.
func (s *server) client(caFile string) (redis.UniversalClient, error) {
	config, err := s.tlsConfig(caFile)
	if err != nil {
		return nil, err
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: s.addrs, IsClusterMode: s.kind == "cluster", MasterName: s.master, DB: s.db,
		Username: s.user, Password: s.password, SentinelUsername: s.sentinelUser, SentinelPassword: s.sentinelPassword,
		Dialer: s.dialer(config), DialTimeout: dialTimeout, DialerRetries: 1,
		MaxRetries: -1, MaxRedirects: 2, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: 4 * time.Millisecond,
		ContextTimeoutEnabled: true, ReadTimeout: writeTimeout, WriteTimeout: writeTimeout,
		PoolSize: 32, PipelinePoolSize: -1, PoolTimeout: writeTimeout, MaxIdleConns: 8, ConnMaxIdleTime: 5 * time.Minute,
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}

func (s *server) tlsConfig(caFile string) (*tls.Config, error) {
	switch {
	case caFile == "" && !s.tls:
		return nil, nil
	case caFile == "":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	case !s.tls:
		return nil, errors.New("redis-ca: redis-url has no TLS; begin it with rediss, or remove redis-ca")
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("redis-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("redis-ca: %s holds no certificate in PEM", caFile)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}

// dialer is the one way out for every kind of server, so that no address that a cluster or a sentinel names is dialled
// by weaker rules than those of the URL.
func (s *server) dialer(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if config != nil {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, addr)
		}
		if s.kind != "unix" && !s.plaintext && !loopback(addr) {
			return nil, fmt.Errorf("redis-url: %s is on another machine and needs TLS: begin with rediss, or end in ?plaintext=yes", addr)
		}
		return plain.DialContext(ctx, network, addr)
	}
}
