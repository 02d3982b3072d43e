package postgres

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/weftest"
)

// version is the newest one of migrations.
const version = 8

const partitionOf1 = `CREATE TABLE messages_202611 PARTITION OF messages FOR VALUES FROM (202611) TO (202612)`

// What people had written when each version was the newest, in the tables and columns that it brought.
var dataOf = [version + 1]string{
	1: `INSERT INTO fabric (one, id) VALUES (1, 'f');
		INSERT INTO users (id, phone, name, created_at) VALUES ('ann', '+491', 'Ann', 1), ('bob', '+492', 'Bob', 2), ('cem', '+493', 'Cem', 3);
		INSERT INTO devices (id, user_id, name, platform, public_key, created_at, seen_at, refresh_family, refresh_once, refresh_attempt, refresh_expires)
			VALUES ('d', 'ann', 'phone', 'test', '', 1, 2, 'f', 'o', '', 3);
		INSERT INTO codes (phone, hash, tries, expires_at) VALUES ('+491', 'h', 1, 5);
		INSERT INTO channels (id, kind, created_at) VALUES ('ann.bob', 'direct', 1);
		INSERT INTO members (user_id, channel_id) VALUES ('ann', 'ann.bob'), ('bob', 'ann.bob');
		` + partitionOf1 + `;
		INSERT INTO logs (num, channel_id, shard, first_month, head_seq, head_at, head_month) VALUES (1, 'ann.bob', 0, 202611, 7, 70, 202611);
		INSERT INTO messages (month, shard, log, seq, prev, at, sender, cid, kind, body)
			VALUES (202611, 0, 1, 5, 0, 50, 'ann', 'c5', 'text', '{"text":"\u0000 hi"}'), (202611, 0, 1, 7, 5, 70, 'bob', 'c7', 'text', '{}');
		INSERT INTO months (shard, first_seq, month) VALUES (0, 5, 202611);
		INSERT INTO archived (shard, seq, month) VALUES (0, 7, 202611)`,
	2: `UPDATE users SET about = 'hello', show_read = false, may_group = 'contacts' WHERE id = 'ann';
		INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ('ann', 'cem', 4);
		INSERT INTO contacts (user_id, contact_id) VALUES ('ann', 'bob')`,
	3: `INSERT INTO channels (id, kind, created_at, disappear) VALUES ('g.1', 'group', 6, 86400);
		INSERT INTO groups (channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members)
			VALUES ('g.1', 'Team', '', '', 'ann', 'g', 'all', 'all', 'joined', 'invite', 1);
		INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at, pinned) VALUES ('ann', 'g.1', 0, 8, 6, true);
		INSERT INTO past_members (user_id, channel_id, event, from_seq, upto_seq) VALUES ('bob', 'g.1', 'e', 8, 9);
		INSERT INTO invites (code, channel_id, created_by, created_at, expires_at, uses, used) VALUES ('code', 'g.1', 'ann', 7, 0, 0, 1);
		INSERT INTO outbox (cid, channel_id, after_seq, sender, kind, body, told) VALUES ('o', 'g.1', 9, 'ann', 'group', '{}', '[]');
		INSERT INTO leases (name, holder, until) VALUES ('relay', 'me', 10)`,
	4: `INSERT INTO changes (log, seq, target, prev, at, sender, cid, kind, body, only_sender) VALUES (1, 8, 5, 7, 80, 'bob', 'c8', 'reaction', '{}', false);
		INSERT INTO reactions (log, target, user_id, emoji, seq) VALUES (1, 5, 'bob', '+', 8);
		INSERT INTO pins (log, target, seq) VALUES (1, 5, 9);
		INSERT INTO stars (user_id, log, target, at) VALUES ('ann', 1, 7, 90);
		INSERT INTO hidden (user_id, log, target) VALUES ('cem', 1, 7);
		INSERT INTO erasures (shard, seq) VALUES (0, 3)`,
	5: `INSERT INTO words (log, seq, month, terms) VALUES (1, 5, 202611, array_to_tsvector('{1xhi}'::text[]));
		INSERT INTO indexed (shard, seq) VALUES (0, 7)`,
	6: `INSERT INTO services (name, user_id, may_users, may_groups, rate, credential, webhook, secret, created_at)
			VALUES ('orders', 'cem', true, false, 2.5, 'U', '', '', 9);
		INSERT INTO service_sends (user_id, cid, channel, at) VALUES ('cem', 'c9', 'bob.cem', 9);
		INSERT INTO taken (key, period, n) VALUES ('otp +491', 9, 2);
		INSERT INTO identities (issuer, subject, user_id) VALUES ('https://id.example', 'ann', 'ann')`,
	7: `INSERT INTO objects (sha256, blob, size, type, state, width, height, preview, thumb, thumb_size) VALUES ('aa', 'b', 7, 'image/png', 'ready', 3, 4, 'L', 't', 2);
		INSERT INTO media (id, sha256, user_id, channel_id, name, created_at, sent) VALUES ('m', 'aa', 'ann', 'ann.bob', 'x.png', 9, true);
		INSERT INTO media_refs (media, log, seq) VALUES ('m', 1, 7);
		INSERT INTO media_holds (media, user_id, cid, until) VALUES ('m', 'ann', 'c', 10);
		INSERT INTO media_erasures (blob) VALUES ('gone');
		INSERT INTO media_spent (user_id, day, bytes) VALUES ('ann', 20000, 7);
		INSERT INTO media_keys (created_at, key) VALUES (9, 'k')`,
	8: `INSERT INTO push_devices (device_id, user_id, kind, address, hash, show, mentions, created_at) VALUES ('d', 'ann', 'fcm', '{}', 'h', 'all', false, 9);
		INSERT INTO push_positions (shard, seq) VALUES (0, 7);
		INSERT INTO push_keys (name, value) VALUES ('vapid', 'k')`,
}

// database is an empty database with a connection to it.
type database struct {
	*testing.T
	url  string
	conn *pgx.Conn
}

func newDatabase(t *testing.T) database {
	t.Helper()
	d := database{t, weftest.Postgres(t), nil}
	var err error
	if d.conn, err = pgx.Connect(t.Context(), d.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.conn.Close(t.Context()) })
	return d
}

func (d database) exec(sql string) {
	d.Helper()
	if _, err := d.conn.Exec(d.Context(), sql); err != nil {
		d.Fatalf("%v in %s", err, sql)
	}
}

func (d database) lines(sql string) []string {
	d.Helper()
	found, err := d.conn.Query(d.Context(), sql, pgx.QueryExecModeExec)
	if err != nil {
		d.Fatal(err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		d.Fatal(err)
	}
	return all
}

func (d database) migrate(v int64) {
	d.Helper()
	cfg, err := parseURL(d.url)
	if err != nil {
		d.Fatal(err)
	}
	if err := migrate(d.Context(), cfg.ConnConfig, v); err != nil {
		d.Fatalf("to version %d: %v", v, err)
	}
}

const ours = `FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace AND n.nspname = 'public' AND r.relname NOT LIKE 'goose%'`

// schema tells all of tables, columns, constraints and indexes but the order of the columns, which is not brought back.
func (d database) schema() string {
	all := d.lines(`SELECT r.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' ||
			a.attidentity::text || ' ' || a.attcollation || ' ' || coalesce(pg_get_expr(ad.adbin, ad.adrelid), '') ` + ours + `
			JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_attrdef ad ON ad.adrelid = r.oid AND ad.adnum = a.attnum WHERE r.relkind IN ('r', 'p')
		UNION ALL SELECT r.relname || ': ' || c.conname || ' ' || pg_get_constraintdef(c.oid) ` + ours + ` JOIN pg_constraint c ON c.conrelid = r.oid
		UNION ALL SELECT pg_get_indexdef(i.indexrelid) ` + ours + ` JOIN pg_index i ON i.indrelid = r.oid
		UNION ALL SELECT r.relname || ' ' || r.relkind::text || ' ' || coalesce(r.reloptions::text, '') ` + ours)
	sort.Strings(all)
	return strings.Join(all, "\n")
}

// data tells all rows of all tables, with the columns in the order of their names.
func (d database) data() string {
	var all []string
	for _, table := range d.lines(`SELECT r.relname ` + ours + ` WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition ORDER BY 1`) {
		for _, row := range d.lines(fmt.Sprintf(`SELECT (SELECT string_agg(key || '=' || coalesce(value, 'NULL'), ' ' ORDER BY key)
			FROM json_each_text(to_json(t))) FROM %s t ORDER BY 1`, table)) {
			all = append(all, table+" "+row)
		}
	}
	return strings.Join(all, "\n")
}

// Every migration goes down and up again, with what people had written before it.
func TestMigrationsBothWays(t *testing.T) {
	d := newDatabase(t)
	var schemas, data []string
	for v := range int64(version + 1) {
		d.migrate(v)
		d.exec(dataOf[v])
		schemas, data = append(schemas, d.schema()), append(data, d.data())
	}
	for v := int64(version); v >= 0; v-- {
		d.migrate(v)
		if got := d.schema(); got != schemas[v] {
			t.Errorf("the schema, down to %d:\n got %s\nwant %s", v, got, schemas[v])
		}
		if got := d.data(); got != data[v] {
			t.Errorf("the data, down to %d:\n got %s\nwant %s", v, got, data[v])
		}
	}
	d.migrate(newest)
	d.exec(partitionOf1)
	if got := d.schema(); got != schemas[version] {
		t.Errorf("up again:\n got %s\nwant %s", got, schemas[version])
	}
	var v int64
	if err := d.conn.QueryRow(t.Context(), `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&v); err != nil || v != version {
		t.Errorf("the newest version is %d, %v: this test knows %d", v, err, version)
	}
}

// What was written with any earlier version is there with this one, and works.
func TestMigrationFromEveryVersion(t *testing.T) {
	for from := int64(1); from <= version; from++ {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			d := newDatabase(t)
			for v := int64(1); v <= from; v++ {
				d.migrate(v)
				d.exec(dataOf[v])
			}
			s := openTest(t, d.url)
			page, err := messagesOf(s.Page(t.Context(), viewOf("ann.bob"), 0, nil, 10))
			if err != nil || seqs(page) != "5 7" || string(page[0].Body) != `{"text":"\u0000 hi"}` {
				t.Errorf("page: %v, %v", page, err)
			}
			list, err := s.List(t.Context(), "bob", chats.Place{}, 10)
			if err != nil || len(list) != 1 || list[0].Name != "Ann" || list[0].Last == nil || list[0].Last.Seq != 7 {
				t.Errorf("list: %v, %v", list, err)
			}
			if err := s.Claim(t.Context(), "f"); err != nil {
				t.Error(err)
			}
			if at, err := s.Archived(t.Context(), 1); err != nil || at[0] != 7 {
				t.Errorf("archived: %v, %v", at, err)
			}
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	d := newDatabase(t)
	d.migrate(newest)
	d.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
	_, err := Open(t.Context(), d.url)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("schema version 999, this weft knows up to %d", version)) {
		t.Errorf("open: %v", err)
	}
}
