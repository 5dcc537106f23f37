package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"steward/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

type line struct {
	config.Flags
	Go struct{} `cmd:"" default:"1"`
}

// parse reads a command line, an environment and the text of a settings file.
func parse(t *testing.T, args []string, env map[string]string, file string) (config.Config, error) {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	if file != "" {
		path := filepath.Join(t.TempDir(), "steward.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if env["STEWARD_CONFIG"] == "" {
			args = append(args, "--config", path)
		} else {
			t.Setenv("STEWARD_CONFIG", path)
		}
	}
	var l line
	parser, err := kong.New(&l, config.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		return config.Config{}, err
	}
	return l.Settings()
}

func TestFlags_precedence(t *testing.T) {
	const file = "listen: 127.0.0.1:1\n"
	env := map[string]string{"STEWARD_LISTEN": "127.0.0.1:2"}
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		file string
		want string
	}{
		"default":                      {nil, nil, "", "127.0.0.1:8080"},
		"file":                         {nil, nil, file, "127.0.0.1:1"},
		"file_named_by_environment":    {nil, map[string]string{"STEWARD_CONFIG": "x"}, file, "127.0.0.1:1"},
		"environment_over_file":        {nil, env, file, "127.0.0.1:2"},
		"flag_over_environment":        {[]string{"--listen", "127.0.0.1:3"}, env, file, "127.0.0.1:3"},
		"flag_over_file":               {[]string{"--listen=127.0.0.1:3"}, nil, file, "127.0.0.1:3"},
		"flag_behind_the_subcommand":   {[]string{"go", "--listen", "127.0.0.1:3"}, env, file, "127.0.0.1:3"},
		"empty_file_changes_nothing":   {nil, nil, "# nothing\n", "127.0.0.1:8080"},
		"environment_without_a_file":   {nil, env, "", "127.0.0.1:2"},
		"other_key_of_the_file_counts": {nil, env, "data: /srv\n", "127.0.0.1:2"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(t, c.args, c.env, c.file)
			if err != nil {
				t.Fatal(err)
			}
			if got.Listen != c.want {
				t.Errorf("listen is %q, want %q", got.Listen, c.want)
			}
		})
	}
}

// Each setting takes the same text from a flag, the environment and the file.
func TestFlags_everySettingFromEverySource(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:9", "data": "/srv/steward", "demo": "true", "public-url": "https://steward.example.com",
		"cors-origins": "https://a.example.com,https://b.example.com", "shutdown-timeout": "3s",
		"oidc-issuer": "https://one.example.com,https://two.example.com", "oidc-audience": "one,two",
		"oidc-discovery-url": "https://a.example.com/one,https://a.example.com/two", "oidc-ca": "/etc/oidc.pem",
		"smtp-url": "smtps://u:p@mail.example.com", "mail-from": "Steward <s@example.com>", "log-level": "debug", "log-format": "json",
		"max-body-bytes": "1", "max-upload-bytes": "2", "max-tokens": "3", "max-depth": "4", "max-fields": "5", "max-aliases": "6",
		"operation-timeout": "7s", "mails-per-person": "8", "mails-per-address": "9",
		"database-url": "postgres://u:p@db.example.com/steward", "spicedb-endpoint": "spicedb.example.com:50051", "spicedb-key": "k",
		"spicedb-ca": "/etc/spicedb.pem", "spicedb-timeout": "4s", "redis-url": "rediss://redis.example.com:6379", "redis-ca": "/etc/redis.pem",
		"check-cache-bytes": "10", "metrics-listen": "127.0.0.1:11", "otlp-endpoint": "http://127.0.0.1:4318",
	}
	want := config.Config{
		Listen: "127.0.0.1:9", Data: "/srv/steward", Demo: true, PublicURL: "https://steward.example.com",
		CORSOrigins: []string{"https://a.example.com", "https://b.example.com"}, ShutdownTimeout: 3 * time.Second,
		OIDCIssuer: []string{"https://one.example.com", "https://two.example.com"}, OIDCAudience: []string{"one", "two"},
		OIDCDiscoveryURL: []string{"https://a.example.com/one", "https://a.example.com/two"}, OIDCCA: "/etc/oidc.pem",
		SMTPURL: "smtps://u:p@mail.example.com", MailFrom: "Steward <s@example.com>", MailsPerPerson: 8, MailsPerAddress: 9, LogLevel: "debug", LogFormat: "json",
		Limits:      config.Limits{MaxBodyBytes: 1, MaxUploadBytes: 2, MaxTokens: 3, MaxDepth: 4, MaxFields: 5, MaxAliases: 6, OperationTimeout: 7 * time.Second},
		DatabaseURL: "postgres://u:p@db.example.com/steward", SpiceDBEndpoint: "spicedb.example.com:50051", SpiceDBKey: "k", SpiceDBCA: "/etc/spicedb.pem",
		SpiceDBTimeout: 4 * time.Second, RedisURL: "rediss://redis.example.com:6379", RedisCA: "/etc/redis.pem", CheckCacheBytes: 10,
		MetricsListen: "127.0.0.1:11", OTLPEndpoint: "http://127.0.0.1:4318",
	}
	var args []string
	env := map[string]string{}
	var file strings.Builder
	for k, v := range values {
		args = append(args, "--"+k+"="+v)
		env[environment(k)] = v
		if strings.Contains(v, ",") {
			v = "[" + v + "]"
		}
		file.WriteString(k + ": " + v + "\n")
	}
	check := func(name string, args []string, env map[string]string, file string) {
		t.Run(name, func(t *testing.T) {
			got, err := parse(t, args, env, file)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	check("flags", args, nil, "")
	check("environment", nil, env, "")
	check("file", nil, nil, file.String())

	page := config.Reference()
	for k := range values {
		if !strings.Contains(page, "| `--"+k+"` | `"+environment(k)+"` | `"+k+"` |") {
			t.Errorf("the reference does not name %s and %s", k, environment(k))
		}
	}
	if got := strings.Count(page, "\n| `--"); got != len(values) {
		t.Errorf("the reference has %d settings, this test %d", got, len(values))
	}
}

// environment returns the variable of a setting, written down here a second time: platforms fill the plain ones in.
func environment(setting string) string {
	plain := map[string]string{
		"database-url": "DATABASE_URL", "spicedb-endpoint": "SPICEDB_ENDPOINT", "spicedb-key": "SPICEDB_KEY", "spicedb-ca": "SPICEDB_CA",
		"redis-url": "REDIS_URL", "redis-ca": "REDIS_CA",
	}
	if name, ok := plain[setting]; ok {
		return name
	}
	return "STEWARD_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// TestFlags_plainEnvironment holds that a plain name wins over the file as others do, and that it has no second name.
func TestFlags_plainEnvironment(t *testing.T) {
	const file = "database-url: postgres://file/steward\n"
	t.Run("over_the_file", func(t *testing.T) {
		got, err := parse(t, nil, map[string]string{"DATABASE_URL": "postgres://environment/steward"}, file)
		if err != nil || got.DatabaseURL != "postgres://environment/steward" {
			t.Errorf("got %q, error %v", got.DatabaseURL, err)
		}
	})
	t.Run("no_prefix", func(t *testing.T) {
		got, err := parse(t, nil, map[string]string{"STEWARD_DATABASE_URL": "postgres://prefixed/steward"}, file)
		if err != nil || got.DatabaseURL != "postgres://file/steward" {
			t.Errorf("got %q, error %v", got.DatabaseURL, err)
		}
	})
}

func TestFlags_badFile(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"unknown_key":    {"listen: 127.0.0.1:1\nlisten-on: x\n", `steward.yaml:2: there is no setting "listen-on"`},
		"config_key":     {"config: other.yaml\n", `there is no setting "config"`},
		"command_key":    {"help: true\n", `there is no setting "help"`},
		"twice":          {"demo: true\ndemo: false\n", "demo is given twice"},
		"not_yaml":       {"listen: [\n", "is not YAML"},
		"not_a_mapping":  {"- listen\n", "must hold lines such as"},
		"nested":         {"listen: {a: b}\n", "listen must be a value or a list of values"},
		"list_for_one":   {"listen: [a, b]\n", "listen takes one value, not a list"},
		"not_a_duration": {"operation-timeout: soon\n", "operation-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, nil, nil, c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
	_, err := parse(t, []string{"--config", "/nowhere/steward.yaml"}, nil, "")
	if _, ok := errors.AsType[*config.FileError](err); !ok {
		t.Errorf("a missing file gives %v, want a FileError", err)
	}
}

func TestConfig_Validate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string // a part of the error; empty: valid
	}{
		"defaults":                {func(*config.Config) {}, ""},
		"listen_without_port":     {func(c *config.Config) { c.Listen = "localhost" }, "listen must be"},
		"public_url_without_host": {func(c *config.Config) { c.PublicURL = "steward.example.com" }, "public-url must be"},
		"public_url_with_query":   {func(c *config.Config) { c.PublicURL = "https://a.example/?x" }, "public-url must be"},
		"origin_with_path":        {func(c *config.Config) { c.CORSOrigins = []string{"https://a.example/"} }, "cors-origins must be"},
		"any_origin":              {func(c *config.Config) { c.CORSOrigins = []string{"*"} }, "cors-origins must be"},
		"one_audience_for_two":    {func(c *config.Config) { c.OIDCIssuer, c.OIDCAudience = []string{"a", "b"}, []string{"x"} }, ""},
		"issuer_alone":            {func(c *config.Config) { c.OIDCIssuer = []string{"a"} }, "1 issuers and 0 audiences"},
		"audience_alone":          {func(c *config.Config) { c.OIDCAudience = []string{"a"} }, "0 issuers and 1 audiences"},
		"three_and_two":           {func(c *config.Config) { c.OIDCIssuer, c.OIDCAudience = []string{"a", "b", "c"}, []string{"x", "y"} }, "3 issuers and 2"},
		"smtp_without_sender":     {func(c *config.Config) { c.SMTPURL = "smtp://h" }, "mail-from is required"},
		"smtp_wrong_scheme":       {func(c *config.Config) { c.SMTPURL, c.MailFrom = "http://u:secret@h", "a@b.example" }, "smtp-url must look"},
		"sender":                  {func(c *config.Config) { c.MailFrom = "nobody" }, "mail-from must be"},
		"log_level":               {func(c *config.Config) { c.LogLevel = "loud" }, "log-level must be"},
		"log_format":              {func(c *config.Config) { c.LogFormat = "xml" }, "log-format must be"},
		"negative_limit":          {func(c *config.Config) { c.MaxDepth = -1 }, "max-depth must be above zero"},
		"negative_cache":          {func(c *config.Config) { c.CheckCacheBytes = -1 }, "check-cache-bytes must be above zero"},
		"negative_timeout":        {func(c *config.Config) { c.SpiceDBTimeout = -1 }, "spicedb-timeout must be above zero"},
		"database_alone":          {func(c *config.Config) { c.DatabaseURL = "postgresql://u:secret@db.example/steward" }, ""},
		"database_of_another":     {func(c *config.Config) { c.DatabaseURL = "mysql://u:secret@db.example/steward" }, "database-url must look like"},
		"spicedb_without_rows":    {func(c *config.Config) { c.SpiceDBEndpoint, c.SpiceDBKey = "s.example:50051", "secret" }, "spicedb-endpoint needs database-url"},
		"redis_without_rows":      {func(c *config.Config) { c.RedisURL = "redis://u:secret@r.example" }, "redis-url needs database-url"},
		"spicedb_without_key": {func(c *config.Config) { c.DatabaseURL, c.SpiceDBEndpoint = "postgres://h/d", "s.example:50051" },
			"spicedb-key is required"},
		"every_part": {func(c *config.Config) {
			c.DatabaseURL, c.RedisURL, c.SpiceDBEndpoint, c.SpiceDBKey = "postgres://h/d", "redis://r", "s.example:50051", "secret"
		}, ""},
		"metrics_without_port": {func(c *config.Config) { c.MetricsListen = "localhost" }, "metrics-listen must be"},
		"collector":            {func(c *config.Config) { c.OTLPEndpoint = "127.0.0.1:4318" }, "otlp-endpoint must be"},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg config.Config
			cfg.SetDefaults()
			c.change(&cfg)
			err := cfg.Validate()
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
}

func TestReference_isCurrent(t *testing.T) {
	const path = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(path, []byte(config.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != config.Reference() {
		t.Errorf("docs/configuration.md is not what internal/config says: run `make generate`")
	}
}
