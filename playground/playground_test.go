package playground

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPage(t *testing.T) {
	placeholder := &fstest.MapFile{Data: []byte("placeholder")}
	bundle := &fstest.MapFile{Data: []byte("bundle")}
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"the placeholder alone":         {fstest.MapFS{"dist/index.html": placeholder}, "placeholder"},
		"a bundle":                      {fstest.MapFS{"dist/index.html": placeholder, "dist/app/index.html": bundle}, "bundle"},
		"a bundle that was interrupted": {fstest.MapFS{"dist/index.html": placeholder, "dist/app/assets/a.js": bundle}, "placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fs.ReadFile(page(c.files), "index.html")
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("index.html is %q, want %q", got, c.want)
			}
		})
	}
}

// The server answers with a policy that allows no inline script; a page that
// carries one would stay blank.
func TestFiles_pageHasNoInlineScript(t *testing.T) {
	page, err := fs.ReadFile(Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(page), "<script")[1:] {
		tag, body, _ := strings.Cut(part, ">")
		body, _, _ = strings.Cut(body, "</script>")
		if !strings.Contains(tag, "src=") || strings.TrimSpace(body) != "" {
			t.Errorf("script %d of index.html is inline: <script%s>%s", i+1, tag, body)
		}
	}
}
