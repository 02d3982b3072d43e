package operate_test

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are those whose command lines are run.
var documents = []string{"../../docs/operating.md", "../../docs/nats.md", "../../docs/cluster.md", "../../docs/push.md"}

// line is a command of a document's.
type line struct {
	document string
	text     string // without what is said about it
}

// lines returns the lines of a document's code blocks that begin with a command, in their order.
func lines(t *testing.T, command string) (found []line) {
	t.Helper()
	for _, path := range documents {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		within := false
		for text := range bytes.Lines(data) {
			s := strings.TrimSpace(string(text))
			if strings.HasPrefix(s, "```") {
				within = !within
				continue
			}
			if !within || !strings.HasPrefix(s, command+" ") {
				continue
			}
			if i := regexp.MustCompile(`\s+#\s`).FindStringIndex(s); i != nil {
				s = s[:i[0]]
			}
			found = append(found, line{filepath.Base(path), s})
		}
	}
	return found
}

var placeholder = regexp.MustCompile(`<[a-z][a-z -]*>`)

// fill puts values in the places of a text.
func fill(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		v, ok := values[strings.Trim(p, "<>")]
		if !ok {
			t.Errorf("%s: this test does not know what %s stands for", text, p)
		}
		return v
	})
}

// Every command of ours in the documents is one that there is, with flags that it has.
func TestWeftLines(t *testing.T) {
	help := map[string]string{}
	for _, l := range lines(t, "weft") {
		words := strings.Fields(l.text)[1:]
		var path []string
		for _, w := range words {
			if strings.HasPrefix(w, "-") || !regexp.MustCompile(`^[a-z-]+$`).MatchString(w) || len(path) == 2 {
				break
			}
			path = append(path, w)
		}
		for len(path) > 0 { // the last may be an argument
			key := strings.Join(path, " ")
			if _, known := help[key]; !known {
				out, err := runWeft(t, append(slices.Clone(path), "--help")...)
				if err != nil {
					out = ""
				}
				help[key] = out
			}
			if help[key] != "" {
				break
			}
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			t.Errorf("%s: %s: there is no such command", l.document, l.text)
			continue
		}
		text := help[strings.Join(path, " ")]
		for _, w := range words {
			if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") && !regexp.MustCompile(regexp.QuoteMeta(flag)+`\b`).MatchString(text) &&
				!strings.Contains(text, "--[no-]"+strings.TrimPrefix(flag, "--no-")) {
				t.Errorf("%s: %s: it has no flag %s", l.document, l.text, flag)
			}
		}
	}
}

// Every flag of `weft up` and `weft serve` is told in operating.md.
func TestFlagsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"up", "serve"} {
		out, err := runWeft(t, command, "--help")
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
			m := regexp.MustCompile(`^\s+--(\[no-\])?([a-z0-9-]+)`).FindStringSubmatch(s.Text())
			if m != nil && m[2] != "help" && !regexp.MustCompile("--(no-)?"+m[2]+`\b`).Match(data) {
				t.Errorf("weft %s --%s is not in operating.md", command, m[2])
			}
		}
	}
}
