package postgres

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A fabric with a million messages in six months, half of them in one channel, and with users, chats, groups and
// everything else by the ten thousands. u(n), dm(n) and g(n) are the ids.
const million = `
CREATE FUNCTION u(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0') $$;
CREATE FUNCTION dm(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT u(n) || '.' || u(n + 1) $$;
CREATE FUNCTION g(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'g.' || u(n) $$;
CREATE FUNCTION us(a int, b int) RETURNS text[] LANGUAGE sql STABLE AS $$ SELECT array_agg(u(n)) FROM generate_series(a, b) n $$;
CREATE FUNCTION dms(a int, b int) RETURNS text[] LANGUAGE sql STABLE AS $$ SELECT array_agg(dm(n)) FROM generate_series(a, b) n $$;
INSERT INTO users (id, phone, name, created_at) SELECT u(n), '+49' || n, 'user ' || n, n FROM generate_series(1, 20001) n;
INSERT INTO devices (id, user_id, name, platform, public_key, created_at, seen_at, refresh_family, refresh_once, refresh_attempt, refresh_expires)
	SELECT u(n), u(n), 'phone', 'test', '', n, n, n::text::bytea, 'o', '', n FROM generate_series(1, 20000) n;
INSERT INTO channels (id, kind, created_at) SELECT dm(n), 'direct', n FROM generate_series(1, 20000) n
	UNION ALL SELECT g(n), 'group', n FROM generate_series(1, 3000) n;
INSERT INTO members (user_id, channel_id) SELECT u(n), dm(n) FROM generate_series(1, 20000) n
	UNION ALL SELECT u(n + 1), dm(n) FROM generate_series(1, 20000) n;
INSERT INTO groups (channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members)
	SELECT g(n), 'group ' || n, '', '', u(n), NULL, 'all', 'all', 'joined', 'invite', 20 FROM generate_series(1, 3000) n;
INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at)
	SELECT u(n * 6 + m), g(n), 2, 1, m FROM generate_series(1, 3000) n, generate_series(1, 20) m;
INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at) SELECT u(n), g(1), 2, 1, n FROM generate_series(5000, 15000) n;
INSERT INTO past_members (user_id, channel_id, event, from_seq, upto_seq)
	SELECT u(n * 6 + 1), g(n), u(n), 1, 2 FROM generate_series(1, 3000) n;
INSERT INTO invites (code, channel_id, created_by, created_at, expires_at, uses, used)
	SELECT 'code' || n, g(n % 3000 + 1), u(n), n, 0, 0, 0 FROM generate_series(1, 9000) n;
INSERT INTO outbox (cid, channel_id, after_seq, sender, kind, body, told)
	SELECT u(n), g(n % 3000 + 1), 0, u(n), 'member', '{}', '[]' FROM generate_series(1, 9000) n;
INSERT INTO blocks (user_id, blocked_id, created_at) SELECT u(n), u(n + 7), n FROM generate_series(1, 10000) n;
INSERT INTO contacts (user_id, contact_id) SELECT u(n), u(n + m) FROM generate_series(1, 10000) n, generate_series(1, 3) m;
INSERT INTO logs (num, channel_id, shard, first_month, head_seq, head_at, head_month)
	SELECT n, dm(n), 0, 202606, 980000 + n, 980000 + n, 202611 FROM generate_series(1, 20000) n;
INSERT INTO months (shard, first_seq, month) SELECT s, n * 166667 + 1, 202606 + n FROM generate_series(0, 5) n, generate_series(0, 1023) s;
INSERT INTO messages (month, shard, log, seq, prev, at, sender, cid, kind, body)
	SELECT 202606 + (n - 1) / 166667, 0, CASE WHEN n <= 980000 AND n % 2 = 0 THEN 1 ELSE (n - 1) % 20000 + 1 END, n, n - 1, n,
		u(n % 20000), u(n), 'text', '{"text":"message ' || n || '"}'
	FROM generate_series(1, 1000000) n;
INSERT INTO words (log, seq, month, terms) SELECT log, seq, month, array_to_tsvector(ARRAY[log || 'xmessage', log || 'x' || seq])
	FROM messages WHERE seq % 20 = 0;
INSERT INTO changes (log, seq, target, prev, at, sender, cid, kind, body, only_sender)
	SELECT n % 20000 + 1, 1000000 + n, n, 0, n, u(n % 20000), u(n), 'reaction', '{}', false FROM generate_series(1, 50000) n;
INSERT INTO reactions (log, target, user_id, emoji, seq) SELECT n % 20000 + 1, n, u(n % 20000), '+', 1000000 + n FROM generate_series(1, 50000) n;
INSERT INTO pins (log, target, seq) SELECT n, n, n FROM generate_series(1, 20000) n;
INSERT INTO stars (user_id, log, target, at) SELECT u(n % 2000), n, n, n FROM generate_series(1, 20000) n;
INSERT INTO hidden (user_id, log, target) SELECT u(n % 2000), n, n FROM generate_series(1, 20000) n;
INSERT INTO push_devices (device_id, user_id, kind, address, hash, show, mentions, created_at)
	SELECT u(n), u(n), 'fcm', '{}', 'h' || n, 'all', false, n FROM generate_series(1, 20000) n;
INSERT INTO erasures (shard, seq) SELECT 0, n FROM generate_series(1, 20000) n;
INSERT INTO objects (sha256, blob, size, type, state, width, height, preview, thumb, thumb_size)
	SELECT u(n), u(n), n, 'image/png', 'ready', 0, 0, '', u(n + 100000), 1 FROM generate_series(1, 20000) n;
INSERT INTO media (id, sha256, user_id, channel_id, name, created_at, sent, idle_at)
	SELECT u(n), u(n), u(n), dm(n), 'x', n, n % 10 > 0, CASE WHEN n % 10 = 0 THEN n END FROM generate_series(1, 20000) n;
INSERT INTO media_refs (media, log, seq) SELECT u(n), n, n * 20000 % 1000000 + n FROM generate_series(1, 20000) n WHERE n % 10 > 0;
INSERT INTO media_holds (media, user_id, cid, until) SELECT u(n), u(n), u(n), n FROM generate_series(1, 20000) n;
INSERT INTO media_erasures (blob) SELECT u(n + 200000) FROM generate_series(1, 20000) n;
VACUUM ANALYZE`

// What each query is asked, as SQL.
var asked = map[string]string{
	"queryPlace":        `dm(1), 900000`,
	"queryBefore":       `1, 202610, 202611, 900000, 50, 1, u(1), 5`,
	"queryAfter":        `1, 202606, 202607, 100, 50, 1, u(1), 5, 900000`,
	"queryMessage":      `dm(1), u(1), 5, 1, 900000`,
	"queryChanges":      `1, 100, 1, 900000, u(1), 50`,
	"queryReactions":    `dm(1), '{5,6,7}', u(1), 20`,
	"queryNoted":        `dm(1), '{5,6,7}', u(1)`,
	"queryPrivate":      `dm(1), '{5,6,7}', u(1)`,
	"queryPins":         `dm(1), u(1), 5, 1, 50`,
	"queryStarred":      `u(1), u(1), 5, 0, 0, 50`,
	"queryErasures":     `200`,
	"queryBehind":       `0, 202611, 202611, 950000, 950800, 200`,
	"querySearchable":   `u(100), ''`,
	"querySearch":       `'{1,2}', ARRAY['''1xmessage''', '''2xmessage'':*'], '{1,1}', '{0,0}', 50, 5, u(1), 0, 0`,
	"queryProfile":      `u(1)`,
	"queryBlocks":       `u(1)`,
	"queryContacts":     `u(1)`,
	"queryVisible":      `us(1, 100), u(8)`,
	"queryHeads":        `dms(1, 100)`,
	"querySpans":        `u(100), '', 50`,
	"queryNews":         `u(100), '', 50, '{900000}'`,
	"queryList":         `u(100), 900000, dm(5), 50, 5`,
	"queryEntry":        `u(100), 0, '', 1, 5, dm(100)`,
	"queryStandings":    `u(100), dms(50, 100)`,
	"queryUnread":       `1, 202610, 900000, u(1), 1000, 5`,
	"queryUser":         `u(1)`,
	"queryPhones":       `'{+491,+492,+493}'`,
	"queryDevices":      `u(1)`,
	"queryMember":       `g(1), ARRAY[u(5001), u(6000)]`,
	"queryMembers":      `g(1), 2, 6000, u(6000), 50`,
	"queryMemberships":  `u(6000)`,
	"queryFloors":       `g(1), u(6000), 50`,
	"queryGroup":        `g(1)`,
	"queryExisting":     `us(1, 100)`,
	"queryInTooMany":    `us(1, 100), 1000`,
	"queryInvites":      `g(1), 5`,
	"queryInvited":      `'code5', 5`,
	"queryOutbox":       `100`,
	"queryWaits":        `u(1)`,
	"queryBlocked":      `u(1), u(8)`,
	"queryReadReceipts": `u(1)`,
	"queryMedia":        `u(5)`,
	"queryReadable":     `u(5), u(5), 5`,
	"queryIdleMedia":    `100, 50, 5, 200`,
	"queryKnownBlobs":   `us(1, 100)`,
	"queryMayAdd":       `us(1, 100), u(8)`,
	"queryCounts":       `u(100)`,

	"queryPushTargets":   `us(1, 100)`,
	"queryPushTarget":    `u(1)`,
	"queryPushMembers":   `g(1), u(6000), u(6000), 50`,
	"queryPushStandings": `us(1, 3), dms(1, 3), us(2, 4)`,
	"queryPushNames":     `us(1, 100)`,
	"queryPushBlockers":  `us(1, 100), u(8)`,
}

// inOrder are the queries whose order an index has: a sort would read all before it gives the first.
var inOrder = []string{"queryBefore", "queryAfter", "queryChanges", "queryMembers", "queryFloors", "queryOutbox"}

// No read that a client can cause scans a table, with a million messages in place: neither as PostgreSQL plans it for
// the values that it is asked, nor as it plans it once for all.
func TestReadsUseIndexes(t *testing.T) {
	d := newDatabase(t)
	d.migrate(newest)
	for m := month(202606); m <= 202611; m++ {
		tx, err := d.conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := makePartition(t.Context(), tx, m); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range strings.Split(million, ";\n") {
		d.exec(statement)
	}
	queries := constQueries(t)
	for name, query := range queries {
		args, ok := asked[name]
		if !ok {
			t.Errorf("%s: this test does not know what to ask it", name)
			continue
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			d.exec(`SET plan_cache_mode = ` + mode)
			d.exec(`PREPARE q AS ` + query)
			steps := d.lines(`EXPLAIN (COSTS OFF) EXECUTE q (` + args + `)`)
			d.exec(`DEALLOCATE q`)
			plan := strings.Join(steps, "\n")
			// A full index scan without a condition of its own is as bad; a LIMIT may end it.
			for i, step := range steps {
				if strings.Contains(step, "Seq Scan") {
					t.Errorf("%s (%s) scans a table:\n%s", name, mode, plan)
				}
				if strings.Contains(step, " Scan using ") && (i+1 == len(steps) || !strings.Contains(steps[i+1], "Index Cond:")) && name != "queryOutbox" && name != "queryErasures" {
					t.Errorf("%s (%s) reads all of an index:\n%s", name, mode, plan)
				}
				if strings.Contains(step, "Sort") && slices.Contains(inOrder, name) {
					t.Errorf("%s (%s) sorts what the index has in order:\n%s", name, mode, plan)
				}
			}
			if len(steps) == 0 {
				t.Errorf("%s (%s): no plan", name, mode)
			}
		}
	}
	for name := range asked {
		if queries[name] == "" {
			t.Errorf("there is no query %s", name)
		}
	}
}

// constQueries returns the constants of this package that are called query…, by their names, as they are in the source.
func constQueries(t *testing.T) map[string]string {
	t.Helper()
	consts := make(map[string]ast.Expr)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					for i, name := range v.Names {
						if i < len(v.Values) {
							consts[name.Name] = v.Values[i]
						}
					}
				}
			}
		}
	}
	var text func(ast.Expr) string
	text = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			return strings.Trim(e.Value, "`\"")
		case *ast.BinaryExpr:
			return text(e.X) + text(e.Y)
		case *ast.Ident:
			return text(consts[e.Name])
		}
		t.Fatalf("a query is made of %T", e)
		return ""
	}
	queries := make(map[string]string)
	for name, e := range consts {
		if strings.HasPrefix(name, "query") {
			queries[name] = text(e)
		}
	}
	return queries
}
