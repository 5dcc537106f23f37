package httpserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Config holds the limits of the front door. The zero value of a field means its default, which SetDefaults fills in.
// Bytes are counted as they come over the wire.
type Config struct {
	MaxBodyBytes   int64 // of a JSON request; default 128 kB
	MaxUploadBytes int64 // of a multipart request, all files and fields together; default 16 MB
	MaxUploadFiles int   // in one multipart request; default 10

	MaxTokens     int // words and signs of a document, comments included; default 2,000
	MaxNesting    int // brackets of any kind that are open at once; default 50
	MaxDepth      int // fields within fields; default 20 (the introspection of a playground needs 15)
	MaxFields     int // of one operation, with its fragments spread out; default 1,000
	MaxAliases    int // of one operation, counted like fields; default 100
	MaxDirectives int // of one operation, counted like fields; default 100
	MaxOperations int // in one document, of which one runs; default 50
	MaxConcurrent int // operations of one signed-in caller at a time; default 16

	OperationTimeout time.Duration // for validating and executing one operation; default 10 s
	HeaderTimeout    time.Duration // until the last header has come; default 5 s
	ReadTimeout      time.Duration // until the last byte of the body has come; default 30 s
	WriteTimeout     time.Duration // from the headers to the end of the answer; default 45 s
	IdleTimeout      time.Duration // of a connection between two requests; default 60 s

	// AllowedOrigins are the origins of other sites whose pages may call the API, such as https://app.example.com.
	// There is no "any": a page that is not listed is refused by CORS, and its unsafe requests are never executed.
	AllowedOrigins []string
	// PublicHosts are the names under which the server is known, such as api.example.com or 127.0.0.1:8080; a name
	// without a port holds for every port. A request for another host is answered 421, which is what stops DNS
	// rebinding. Health checks may use any name. An empty list allows every host.
	PublicHosts []string
}

// SetDefaults fills in each limit that is zero. The two lists stay as they are.
func (c *Config) SetDefaults() {
	orDefault(&c.MaxBodyBytes, 128<<10)
	orDefault(&c.MaxUploadBytes, 16<<20)
	orDefault(&c.MaxUploadFiles, 10)
	orDefault(&c.MaxTokens, 2000)
	orDefault(&c.MaxNesting, 50)
	orDefault(&c.MaxDepth, 20)
	orDefault(&c.MaxFields, 1000)
	orDefault(&c.MaxAliases, 100)
	orDefault(&c.MaxDirectives, 100)
	orDefault(&c.MaxOperations, 50)
	orDefault(&c.MaxConcurrent, 16)
	orDefault(&c.OperationTimeout, 10*time.Second)
	orDefault(&c.HeaderTimeout, 5*time.Second)
	orDefault(&c.ReadTimeout, 30*time.Second)
	orDefault(&c.WriteTimeout, 45*time.Second)
	orDefault(&c.IdleTimeout, 60*time.Second)
}

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Validate reports every setting that cannot work, joined into one error. It expects SetDefaults to have run.
func (c *Config) Validate() error {
	var errs []error
	positive := func(name string, n int64) {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("%s must be above zero", name))
		}
	}
	positive("max body bytes", c.MaxBodyBytes)
	positive("max upload bytes", c.MaxUploadBytes)
	positive("max upload files", int64(c.MaxUploadFiles))
	positive("max tokens", int64(c.MaxTokens))
	positive("max nesting", int64(c.MaxNesting))
	positive("max depth", int64(c.MaxDepth))
	positive("max fields", int64(c.MaxFields))
	positive("max aliases", int64(c.MaxAliases))
	positive("max directives", int64(c.MaxDirectives))
	positive("max operations", int64(c.MaxOperations))
	positive("max concurrent", int64(c.MaxConcurrent))
	positive("operation timeout", int64(c.OperationTimeout))
	positive("header timeout", int64(c.HeaderTimeout))
	positive("read timeout", int64(c.ReadTimeout))
	positive("write timeout", int64(c.WriteTimeout))
	positive("idle timeout", int64(c.IdleTimeout))
	if c.WriteTimeout <= c.OperationTimeout {
		errs = append(errs, fmt.Errorf("write timeout %s must be longer than the operation timeout %s, or answers are cut off",
			c.WriteTimeout, c.OperationTimeout))
	}
	for _, origin := range c.AllowedOrigins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("allowed origin %q must look like https://app.example.com", origin))
		}
	}
	for _, host := range c.PublicHosts {
		if host == "" || strings.ContainsAny(host, "/ \t*@?#") {
			errs = append(errs, fmt.Errorf("public host %q must be a name with or without a port, such as api.example.com", host))
		}
	}
	return errors.Join(errs...)
}
