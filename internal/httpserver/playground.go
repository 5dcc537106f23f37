package httpserver

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// playgroundPolicy lets the page load its own files and talk to its own server, and nothing else. The editor of
// GraphiQL writes its theme into style elements, hence 'unsafe-inline' for styles; scripts never have it.
const playgroundPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; " +
	"connect-src 'self'; font-src 'self' data:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var notFoundRefusal = &refusal{http.StatusNotFound, codeNotFound, "there is nothing here: the API is at /graphql"}

// playground serves the files of a bundled page: index.html at /, and each file at its own path. Directories, files
// with a name that begins with a dot, and source maps do not exist for a caller. The names under /assets/ are expected
// to hold a hash of the content, so they are cached for ever; everything else is asked for again.
type playground struct{ files fs.FS }

func (p *playground) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	file, content := p.open(name)
	if file == nil {
		refuse(w, r, notFoundRefusal)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Security-Policy", playgroundPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Type", contentType(name))
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, content)
}

// open returns nil for what does not exist for a caller.
func (p *playground) open(name string) (fs.File, io.ReadSeeker) {
	if p.files == nil || !fs.ValidPath(name) || strings.HasSuffix(name, ".map") {
		return nil, nil
	}
	for segment := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(segment, ".") {
			return nil, nil
		}
	}
	file, err := p.files.Open(name)
	if err != nil {
		return nil, nil
	}
	info, err := file.Stat()
	content, seeks := file.(io.ReadSeeker) // as the files of embed and os do
	if err != nil || !info.Mode().IsRegular() || !seeks {
		_ = file.Close()
		return nil, nil
	}
	return file, content
}

// contentType goes by the name alone, and the same on every machine for what a bundle holds.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return typeJSON
	case ".svg":
		return "image/svg+xml"
	case ".ttf":
		return "font/ttf"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
