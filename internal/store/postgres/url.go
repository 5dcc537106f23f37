package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectTimeout bounds one try to connect, unless the URL has a connect_timeout.
const connectTimeout = 5 * time.Second

// parse reads a URL. A connection to another machine uses TLS, unless the URL itself says sslmode=disable: what the driver
// would do without being told is to try TLS and go on in plain text.
func parse(raw string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("database-url is not like postgres://steward:PASSWORD@db.example.com:5432/steward?sslmode=verify-full") // without the URL: it may hold a password
	}
	config, err := pgx.ParseConfig(raw)
	if err != nil {
		return nil, errors.New("database-url: " + reason(err))
	}
	if u.Query().Get("sslmode") != "disable" {
		if host := plain(config); host != "" {
			return nil, fmt.Errorf("database-url: the connection to %s would do without TLS if the server has none: add sslmode=verify-full, or sslmode=require, or sslmode=disable if nobody can listen on the way", host)
		}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// A host that is gone without a word is noticed within half a minute.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	if config.ValidateConnect == nil {
		config.ValidateConnect = primary
	}
	params := config.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "steward"
	}
	// Values stand in the text of the statements: what quotes them must mean the same on every server.
	params["standard_conforming_strings"], params["client_encoding"] = "on", "UTF8"
	// One statement a message, so that no text can smuggle in a second one, and none is prepared that will never come again.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return config, nil
}

// reason is what the driver has against a URL, without the URL: it may hold a password.
func reason(err error) string {
	if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && e.Unwrap() != nil {
		return e.Unwrap().Error()
	}
	return "the part behind the question mark, or the host, is none that PostgreSQL knows"
}

// plain returns a host on another machine that would be spoken to without TLS, or "".
func plain(config *pgx.ConnConfig) string {
	if config.TLSConfig == nil && !local(config.Host) {
		return config.Host
	}
	for _, f := range config.Fallbacks {
		if f.TLSConfig == nil && !local(f.Host) {
			return f.Host
		}
	}
	return ""
}

func local(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" { // a socket in the file system
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
