package httpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

const (
	maxMapBytes   = 16 << 10  // of the part that says where the files go
	maxHeldUpload = 256 << 10 // bytes of a file that are held in memory; a longer file goes to a temporary one
)

// multipartTransport carries an operation with files, as the GraphQL multipart request specification has it: the part
// "operations", then "map", then the files in the order of the map.
type multipartTransport struct{ cfg Config }

func (*multipartTransport) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" && plainBody(r) && bodyType(r) == "multipart/form-data"
}

func (t *multipartTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	mediaType := negotiate(r.Header.Values("Accept"))
	if mediaType == "" {
		refuse(w, r, notAcceptableRefusal)
		return
	}
	if r.ContentLength > t.cfg.MaxUploadBytes {
		refuse(w, r, tooLargeRefusal)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, t.cfg.MaxUploadBytes)
	form := &uploadForm{cfg: t.cfg}
	defer form.close()
	params, why := form.read(r)
	if why != nil {
		refuse(w, r, why)
		return
	}
	run(w, r, t.cfg, exec, mediaType, params)
}

// uploadForm reads one multipart body and holds its temporary files until close.
type uploadForm struct {
	cfg   Config
	files []*os.File
}

func (f *uploadForm) read(r *http.Request) (*graphql.RawParams, *refusal) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, badRequest("the multipart body has no boundary")
	}
	operations, why := readField(reader, "operations", f.cfg.MaxBodyBytes)
	if why != nil {
		return nil, why
	}
	params, why := decodeParams(operations)
	if why != nil {
		return nil, why
	}
	b, why := readField(reader, "map", maxMapBytes)
	if why != nil {
		return nil, why
	}
	var targets map[string][]string
	if json.Unmarshal(b, &targets) != nil {
		return nil, badRequest(`the part "map" must be an object of lists of paths, such as {"0": ["variables.file"]}`)
	}
	places := 0
	for _, paths := range targets {
		places += len(paths)
	}
	if places > f.cfg.MaxUploadFiles {
		return nil, badRequest("the request holds more than " + strconv.Itoa(f.cfg.MaxUploadFiles) + " files: send fewer at once")
	}
	return params, f.readFiles(reader, targets, params)
}

func (f *uploadForm) readFiles(reader *multipart.Reader, targets map[string][]string, params *graphql.RawParams) *refusal {
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return formRefusal(err)
		}
		paths := targets[part.FormName()]
		if len(paths) == 0 {
			return badRequest(`a file is not named in the part "map", or named twice`)
		}
		delete(targets, part.FormName())
		content, size, why := f.hold(part)
		if why != nil {
			return why
		}
		for _, path := range paths {
			upload := graphql.Upload{
				File:        io.NewSectionReader(content, 0, size), // one position for each place
				Filename:    part.FileName(),
				Size:        size,
				ContentType: part.Header.Get("Content-Type"),
			}
			if !place(params.Variables, path, upload) {
				return badRequest(`the part "map" must point at variables that are null, such as variables.input.file`)
			}
		}
	}
	if len(targets) > 0 {
		return badRequest(`the part "map" names a file that did not come`)
	}
	return nil
}

// hold keeps the content of one file where it can be read again.
func (f *uploadForm) hold(part io.Reader) (io.ReaderAt, int64, *refusal) {
	head, err := io.ReadAll(io.LimitReader(part, maxHeldUpload+1))
	if err != nil {
		return nil, 0, formRefusal(err)
	}
	if len(head) <= maxHeldUpload {
		return bytes.NewReader(head), int64(len(head)), nil
	}
	file, err := os.CreateTemp("", "upload-*")
	if err != nil {
		return nil, 0, internalRefusal
	}
	f.files = append(f.files, file)
	if _, err := file.Write(head); err != nil {
		return nil, 0, internalRefusal
	}
	rest, err := io.Copy(file, part)
	if _, ours := errors.AsType[*fs.PathError](err); ours {
		return nil, 0, internalRefusal
	}
	if err != nil {
		return nil, 0, formRefusal(err)
	}
	return file, int64(len(head)) + rest, nil
}

func (f *uploadForm) close() {
	for _, file := range f.files {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}
}

func readField(reader *multipart.Reader, name string, limit int64) ([]byte, *refusal) {
	part, err := reader.NextPart()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, formRefusal(err)
	}
	if err != nil || part.FormName() != name {
		return nil, badRequest(`the multipart body must begin with the parts "operations" and "map", in this order`)
	}
	b, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return nil, formRefusal(err)
	}
	if int64(len(b)) > limit {
		return nil, tooLargeRefusal
	}
	return b, nil
}

// formRefusal tells a body that is too long or too slow from one that is not well formed.
func formRefusal(err error) *refusal {
	if why := bodyRefusal(err); why != brokenBodyRefusal {
		return why
	}
	return badRequest("the multipart body is not well formed, or broke off")
}

// place puts an upload at a path such as variables.input.files.0, where the request must have null.
func place(variables map[string]any, path string, upload graphql.Upload) bool {
	steps := strings.Split(path, ".")
	if len(steps) < 2 || steps[0] != "variables" {
		return false
	}
	var node any = variables
	for i, step := range steps[1:] {
		last := i == len(steps)-2
		switch parent := node.(type) {
		case map[string]any:
			child, ok := parent[step]
			if !ok || last && child != nil {
				return false
			}
			if last {
				parent[step] = upload
			}
			node = child
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(parent) || last && parent[n] != nil {
				return false
			}
			if last {
				parent[n] = upload
			} else {
				node = parent[n]
			}
		default:
			return false
		}
	}
	return true
}
