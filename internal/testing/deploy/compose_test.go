package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"steward/internal/config"
)

// root is the repository's.
const root = "../../.."

// secrets returns a new .env, as deploy/env.sh makes it.
func secrets(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "deploy", "env.sh")).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// load reads docker-compose.yml as Compose does: against the specification, with every variable filled in.
func load(t *testing.T, env []string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(env), cli.WithConsistency(true), cli.WithNormalization(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, secrets(t))
	if err != nil {
		t.Fatalf("docker-compose.yml is not valid: %v", err)
	}
	return p
}

// each runs fn for every service.
func each(t *testing.T, fn func(t *testing.T, s types.ServiceConfig)) {
	t.Helper()
	p := project(t)
	if len(p.Services) < 10 {
		t.Fatalf("there are %d services", len(p.Services))
	}
	for name, s := range p.Services {
		t.Run(name, func(t *testing.T) { fn(t, s) })
	}
}

// ends tells whether a service does one thing and ends.
func ends(s types.ServiceConfig) bool { return s.Restart == "no" }

func TestCompose_secretsAreRequired(t *testing.T) {
	env := secrets(t)
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, line := range env {
		name, value, _ := strings.Cut(line, "=")
		if len(value) < 40 || !regexp.MustCompile(`^[0-9a-z]+$`).MatchString(value) || seen[value] {
			t.Errorf("deploy/env.sh makes %s of %d characters that do not do", name, len(value))
		}
		seen[value] = true
		if !strings.Contains(string(example), "\n"+name+"=\n") {
			t.Errorf(".env.example has no empty %s", name)
		}
		for what, without := range map[string][]string{"unset": slices.Delete(slices.Clone(env), i, i+1), "empty": append(slices.Delete(slices.Clone(env), i, i+1), name+"=")} {
			if _, err := load(t, without); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "is not set, see .env.example") {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=`).FindAllStringSubmatch(string(example), -1) {
		if !slices.ContainsFunc(env, func(line string) bool { return strings.HasPrefix(line, m[1]+"=") }) {
			t.Errorf("deploy/env.sh makes no %s", m[1])
		}
	}
}

// What is secret comes from the environment and from nowhere else.
func TestCompose_noDefaultSecrets(t *testing.T) {
	env := secrets(t)
	p, err := load(t, env)
	if err != nil {
		t.Fatal(err)
	}
	given := func(value string) bool {
		return slices.ContainsFunc(env, func(line string) bool { _, secret, _ := strings.Cut(line, "="); return secret == value })
	}
	secret, userInfo, found := regexp.MustCompile(`(PASSWORD|KEY|AUTH|SECRET|TOKEN)$`), regexp.MustCompile(`://[^/@]*:([^/@]*)@`), 0
	for name, s := range p.Services {
		for key, value := range s.Environment {
			for _, m := range userInfo.FindAllStringSubmatch(*value, -1) {
				if found++; !given(m[1]) {
					t.Errorf("%s: the password in %s is not from the environment", name, key)
				}
			}
			if secret.MatchString(key) {
				if found++; !given(*value) {
					t.Errorf("%s: %s is not from the environment", name, key)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("%d secrets were found", found)
	}
}

func TestCompose_publishesOnLoopbackOnly(t *testing.T) {
	published := 0
	each(t, func(t *testing.T, s types.ServiceConfig) {
		for _, p := range s.Ports {
			if published++; p.HostIP != "127.0.0.1" {
				t.Errorf("port %s is published on %q", p.Published, p.HostIP)
			}
		}
		if s.NetworkMode == "host" || s.Privileged || s.Pid != "" || s.Ipc != "" && s.Ipc != "private" {
			t.Error("it shares something with the machine")
		}
	})
	if published != 1 {
		t.Errorf("%d ports are published, want that of the front", published)
	}
	p := project(t)
	for name, n := range p.Networks {
		if name != "door" && !bool(n.Internal) {
			t.Errorf("network %s has a way out", name)
		}
	}
	for name, s := range p.Services {
		if _, out := s.Networks["door"]; out && name != "front" {
			t.Errorf("%s has a way out", name)
		}
	}
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9.-]+)?$`)

func TestCompose_servicesAreHardened(t *testing.T) {
	numeric := regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`)
	each(t, func(t *testing.T, s types.ServiceConfig) {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("image %q is not pinned by a version", s.Image)
		}
		if !numeric.MatchString(s.User) {
			t.Errorf("it runs as user %q", s.User)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Error("its files can be written, or it has capabilities, or it may get new ones")
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				t.Errorf("it can write %s", v.Source)
			}
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("it mounts what is not there: %v", err)
				}
			}
		}
		switch {
		case ends(s):
			if s.HealthCheck != nil && !s.HealthCheck.Disable {
				t.Error("what ends has a health check")
			}
		case s.Restart != "unless-stopped":
			t.Errorf("restart is %q", s.Restart)
		case s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0:
			t.Error("it has no health check")
		}
	})
}

// Whoever is waited for is waited for until it can be used.
func TestCompose_waitsForHealth(t *testing.T) {
	p := project(t)
	waited := map[string]bool{}
	for name, s := range p.Services {
		for on, d := range s.DependsOn {
			waited[on] = true
			want := types.ServiceConditionHealthy
			if ends(p.Services[on]) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if d.Condition != want {
				t.Errorf("%s waits for %s to be %s, want %s", name, on, d.Condition, want)
			}
		}
	}
	for name := range p.Services {
		if !waited[name] && name != "front" {
			t.Errorf("nobody waits for %s", name)
		}
	}
}

// settings are the environment variables of steward's settings, by its own reference.
func settings(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| `--[a-z-]+` \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(config.Reference(), -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("the reference has %v", names)
	}
	return names
}

func TestCompose_stewardIsToldRealSettings(t *testing.T) {
	known := settings(t)
	told := 0
	each(t, func(t *testing.T, s types.ServiceConfig) {
		if s.Build == nil {
			return
		}
		for name := range s.Environment {
			if told++; !slices.Contains(known, name) {
				t.Errorf("steward has no setting %s", name)
			}
		}
	})
	if told < 20 {
		t.Errorf("steward is told %d settings", told)
	}
}

// The replicas are one program in several places: what they are told is the same, and what steward migrate is told too.
func TestCompose_replicasAreAlike(t *testing.T) {
	p := project(t)
	first := p.Services["replica-1"]
	for _, name := range []string{"replica-2", "migrate"} {
		if !maps.EqualFunc(first.Environment, p.Services[name].Environment, func(a, b *string) bool { return *a == *b }) {
			t.Errorf("%s is told something else", name)
		}
	}
	var cfg config.Config
	cfg.SetDefaults()
	for name, field := range map[string]*string{
		"DATABASE_URL": &cfg.DatabaseURL, "SPICEDB_ENDPOINT": &cfg.SpiceDBEndpoint, "SPICEDB_KEY": &cfg.SpiceDBKey, "REDIS_URL": &cfg.RedisURL,
		"STEWARD_LISTEN": &cfg.Listen, "STEWARD_PUBLIC_URL": &cfg.PublicURL,
	} {
		if value := first.Environment[name]; value == nil || *value == "" {
			t.Errorf("%s is not told", name)
		} else {
			*field = *value
		}
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if port := p.Services["front"].Ports[0]; cfg.PublicURL != fmt.Sprintf("http://%s:%s", port.HostIP, port.Published) {
		t.Errorf("the public URL is %s, the front is published on %s:%s", cfg.PublicURL, port.HostIP, port.Published)
	}
}
