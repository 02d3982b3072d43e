package sqlite

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// scanned are the tables that a statement may read from end to end: those that have a row a shard, or what waits for one
// role that takes some of it, in its order.
var scanned = []string{"archived", "indexed", "erasures", "outbox", "fabric", "media_erasures", "media_keys", "push_positions"}

// inOrder are the statements whose order an index has: a sort would read all before it gives the first.
var inOrder = []string{"queryBefore", "queryAfter", "queryStarred", "queryMembers", "queryFloors", "queryOutbox", "queryErasures"}

// No statement scans a table, whatever is in it: neither a read that a client can cause, nor a write.
func TestStatementsUseIndexes(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "weft.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	statements := statementsOf(t)
	if len(statements) < 100 {
		t.Errorf("found only %d statements in the source", len(statements))
	}
	for where, query := range statements {
		for _, step := range plan(t, s, where, query) {
			// json_each is the request's own list, l or list the page, (subquery-n) what has just been found.
			fine := strings.Contains(step, "VIRTUAL TABLE") || step == "SCAN l" || strings.HasPrefix(step, "SCAN (subquery") ||
				step == "SCAN CONSTANT ROW" || strings.HasSuffix(step, "-ROW VALUES CLAUSE")
			for _, table := range scanned {
				fine = fine || step == "SCAN "+table || strings.HasPrefix(step, "SCAN "+table+" ")
			}
			if strings.HasPrefix(step, "SCAN") && !fine {
				t.Errorf("%s: %s\n%s", where, step, query)
			}
			if strings.Contains(step, "TEMP B-TREE") && slices.Contains(inOrder, where) {
				t.Errorf("%s sorts what the index has in order: %s", where, step)
			}
		}
	}
	for _, name := range inOrder {
		if statements[name] == "" {
			t.Errorf("there is no query %s", name)
		}
	}
}

func plan(t *testing.T, s *DB, where, query string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	if numbered := regexp.MustCompile(`\?\d+`).FindAllString(query, -1); len(numbered) > 0 {
		n := 0
		for _, p := range numbered {
			i, _ := strconv.Atoi(p[1:])
			n = max(n, i)
		}
		args = args[:n]
	}
	for i := range args {
		args[i] = "1"
	}
	found, err := s.log.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", where, err, query)
	}
	defer found.Close()
	for found.Next() {
		var id, parent, unused int
		var detail string
		if err := found.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := found.Err(); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return steps
}

// statementsOf returns the SQL in this package's source: constants by their names, others by where they stand.
func statementsOf(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	consts := make(map[string]ast.Expr)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				for i, name := range v.Names {
					if i < len(v.Values) {
						consts[name.Name] = v.Values[i]
					}
				}
			}
			return true
		})
	}
	var text func(ast.Expr) (string, bool)
	text = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Kind != token.STRING {
				return "", false
			}
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		case *ast.BinaryExpr:
			x, ok1 := text(e.X)
			y, ok2 := text(e.Y)
			return x + y, ok1 && ok2
		case *ast.Ident:
			if v := consts[e.Name]; v != nil {
				return text(v)
			}
		}
		return "", false
	}
	begins := regexp.MustCompile(`^(SELECT|WITH|INSERT INTO|UPDATE|DELETE FROM) `)
	all := make(map[string]string)
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch e := n.(type) {
			case *ast.ValueSpec:
				for i, name := range e.Names {
					if i < len(e.Values) && strings.HasPrefix(name.Name, "query") {
						if s, ok := text(e.Values[i]); ok {
							all[name.Name] = s
						}
					}
				}
				return false // parts of queries
			case *ast.BinaryExpr, *ast.BasicLit:
				if s, ok := text(e.(ast.Expr)); ok && begins.MatchString(s) {
					all[fset.Position(e.Pos()).String()] = s
				}
				return false
			}
			return true
		})
	}
	return all
}
