// Command gendata writes the demo's accounts.csv and contacts.csv: 40 invented companies with 400 contacts, the same ones
// at every run. From the root of the module:
//
//	go run ./internal/demo/gendata -out internal/demo
//
// All addresses are under .example, and all phone numbers are from ranges that are set aside for fiction.
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", ".", "directory to write accounts.csv and contacts.csv into")
	flag.Parse()
	accounts, contacts := generate(defaultSeed)
	for name, rows := range map[string][][]string{"accounts.csv": accounts, "contacts.csv": contacts} {
		if err := os.WriteFile(filepath.Join(*out, name), encode(rows), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gendata:", err)
			os.Exit(1)
		}
	}
}

// encode writes rows as a customer portal does: UTF-8, comma, LF.
func encode(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(rows) // a bytes.Buffer takes everything
	return b.Bytes()
}
