package edge_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the program knows by name and what the document lists is the same.
func TestTheDocumentListsWhatThereIs(t *testing.T) {
	doc := openAsyncAPI(t)
	var listed, messages, fields, verbs, buckets []string
	for name, o := range doc.Operations {
		if o.Action == "receive" && o.Channel.Ref == "#/channels/session" {
			listed = append(listed, name)
		}
	}
	for name, m := range doc.Channels["session"].Messages {
		if name != "error" && !strings.HasSuffix(name, "Event") && !strings.HasSuffix(name, "Reply") {
			messages = append(messages, name)
			fields = slices.AppendSeq(fields, maps.Keys(m.Payload.Properties))
		}
	}
	for _, c := range doc.Channels {
		if _, asked := c.Messages["request"]; asked && strings.HasPrefix(c.Address, "weft.") {
			verbs = append(verbs, c.Address)
		}
		for _, kept := range []string{"$KV.", "$O."} {
			if bucket, ok := strings.CutPrefix(c.Address, kept); ok {
				if bucket, _, _ = strings.Cut(bucket, "."); !strings.Contains(bucket, "{") { // one a shard, as the logs
					buckets = append(buckets, bucket)
				}
			}
		}
	}
	decoder := literals(t, "request.go", "ops", func(ast.Node) bool { return true })
	var served []string
	for _, m := range found(t, "../subjects/services.go", `Verb\{Service(\w+), "(\w+)"\}`) {
		served = append(served, "weft."+strings.ToLower(m[1])+"."+m[2])
	}
	for _, name := range firsts(found(t, "../subjects/services.go", `return edgeVerb\(edge, "(\w+)"\)`)) {
		served = append(served, "weft.edge.{edge}."+name)
	}
	inCases := func(n ast.Node) bool { _, ok := n.(*ast.CaseClause); return ok }
	for _, same := range []struct {
		what              string
		program, document []string
	}{
		{"the decoder's ops and the document's operations", decoder, listed},
		{"the dispatcher's ops and the document's messages", literals(t, "ops.go", "do", inCases), messages},
		{"the decoder's fields and those of the document's ops", literals(t, "request.go", "set", inCases), fields},
		{"the verbs", served, verbs},
		{"the buckets", firsts(found(t, "../subjects/subjects.go", `Bucket\w+\s+= "(\w+)"`)), buckets},
		{
			"the error codes", firsts(found(t, "../fabric/errors.go", `Code\w+\s+Code = "(\w+)"`)),
			texts(doc.Components.Schemas["error"].Properties["code"].Enum),
		},
	} {
		program, document := sorted(same.program), sorted(same.document)
		if len(program) == 0 || !slices.Equal(program, document) {
			t.Errorf("%s differ:\nthe program has %v\nthe document  %v", same.what, program, document)
		}
	}
}

// literals returns the names in quotes below a declaration: in all of it, or in the heads of those cases that in picks.
func literals(t *testing.T, file, name string, in func(ast.Node) bool) (list []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		var root ast.Node
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == name {
				root = d
			}
		case *ast.GenDecl:
			if v, ok := d.Specs[0].(*ast.ValueSpec); ok && v.Names[0].Name == name {
				root = d
			}
		}
		if root == nil {
			continue
		}
		ast.Inspect(root, func(n ast.Node) bool {
			if n == nil || !in(n) {
				return true
			}
			heads := []ast.Expr{}
			switch n := n.(type) {
			case *ast.CaseClause:
				heads = n.List
			case *ast.CompositeLit:
				heads = n.Elts
			}
			for _, head := range heads {
				if lit, ok := head.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					list = append(list, strings.Trim(lit.Value, `"`))
				}
			}
			return true
		})
	}
	return list
}

func found(t *testing.T, file, pattern string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
}

func firsts(matches [][]string) (list []string) {
	for _, m := range matches {
		list = append(list, m[1])
	}
	return list
}

func texts(list []any) (texts []string) {
	for _, v := range list {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
