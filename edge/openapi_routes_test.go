package edge_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whatever is routed is in the document, and whatever is in the document is routed.
func TestTheDocumentHasEveryRoute(t *testing.T) {
	var documented []string
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	routed := routes(t, "../node/health.go", "clientHandler")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			routed = append(routed, routes(t, f)...)
		}
	}
	for _, r := range routed {
		// what answers where nothing else does, the problem for /v1/ and the web client, and what hands on to further routes
		if r != "/v1/" && r != "/" && !strings.HasSuffix(r, "/{what}") && !slices.Contains(documented, r) {
			t.Errorf("%s is served, and not in %s", r, documentFile)
		}
	}
	for _, d := range documented {
		if !slices.Contains(routed, d) {
			t.Errorf("%s is in %s, and not served", d, documentFile)
		}
	}
}

// routes returns the patterns that a file's functions, or those named, give to a mux. net/http keeps them to itself.
func routes(t *testing.T, file string, within ...string) (patterns []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || (within != nil && !slices.Contains(within, fn.Name.Name)) {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || (sel.Sel.Name != "Handle" && sel.Sel.Name != "HandleFunc") {
				return true
			}
			if on, ok := sel.X.(*ast.Ident); ok && on.Name == "service" { // verbs on NATS
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s, %s: a route whose pattern is no literal can't be held against %s", file, fn.Name.Name, documentFile)
				return true
			}
			pattern, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, pattern)
			return true
		})
	}
	return patterns
}

// The document's codes are fabric's.
func TestTheDocumentHasEveryCode(t *testing.T) {
	var documented []string
	for _, c := range document(t).Components.Schemas["Code"].Value.Enum {
		documented = append(documented, fmt.Sprint(c))
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../fabric/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(v.Names[0].Name, "Code") {
			code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	if !slices.Equal(documented, codes) || len(codes) == 0 {
		t.Errorf("the document has %v, fabric %v", documented, codes)
	}
}
