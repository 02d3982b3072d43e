package sqlite

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// newestVersion returns the version of this build's schema.
func newestVersion(t *testing.T) int64 {
	t.Helper()
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	newest, _, _ := strings.Cut(filepath.Base(files[len(files)-1]), "_")
	v, err := strconv.ParseInt(newest, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every migration goes down and up again.
func TestMigrationsBothWays(t *testing.T) {
	w, err := openWriter(filepath.Join(t.TempDir(), "weft.db"), "FULL", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	schema := func() string {
		t.Helper()
		found, err := w.db.QueryContext(t.Context(), `SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY name`)
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		var all []string
		for found.Next() {
			var one string
			if err := found.Scan(&one); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	newest := newestVersion(t)
	var up []string
	for v := int64(0); v <= newest; v++ {
		if err := migrate(t.Context(), w.db, v); err != nil {
			t.Fatal(err)
		}
		up = append(up, schema())
	}
	for v := newest; v >= 0; v-- {
		if err := migrate(t.Context(), w.db, v); err != nil {
			t.Fatal(err)
		}
		if got := schema(); got != up[v] {
			t.Errorf("down to %d:\n got %s\nwant %s", v, got, up[v])
		}
	}
	if err := migrate(t.Context(), w.db, -1); err != nil {
		t.Fatal(err)
	}
	if got := schema(); got != up[newest] || !strings.Contains(got, "CREATE TABLE messages") {
		t.Errorf("up again: %s", got)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weft.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), fmt.Sprint("schema version 999, this weft knows up to ", newestVersion(t))) {
		t.Errorf("open: %v", err)
	}
}

func BenchmarkArchive(b *testing.B) {
	for _, channels := range []int{50, 5000, 50_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "weft.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var all []fabric.ChannelID
			for range channels {
				all = append(all, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
			}
			body := []byte(`{"text":"` + strings.Repeat("x", 100) + `"}`)
			from, cid := fabric.NewUserID(), fabric.NewCID()
			const size = 2000
			batch := make([]history.Archival, size)
			seq := uint64(0)
			b.ReportAllocs()
			for range b.N {
				for i := range batch {
					seq++
					batch[i].Stored = fabric.Stored{Channel: all[seq%uint64(channels)], Seq: seq, Prev: seq, At: int64(seq),
						Message: fabric.Message{From: from, CID: cid, Kind: "text", Body: body}}
				}
				if err := s.Archive(b.Context(), 0, history.Batch{Messages: batch}, seq); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/message")
		})
	}
}

// What people had written when each version was the newest, in the tables and columns that it brought.
var dataOf = []string{
	1: `INSERT INTO fabric (one, id) VALUES (1, 'f');
		INSERT INTO users (id, phone, name, created_at) VALUES ('ann', '+491', 'Ann', 1), ('bob', '+492', 'Bob', 2), ('cem', '+493', 'Cem', 3);
		INSERT INTO channels (id, kind, created_at) VALUES ('ann.bob', 'direct', 1);
		INSERT INTO members (user_id, channel_id) VALUES ('ann', 'ann.bob'), ('bob', 'ann.bob');
		INSERT INTO logs (num, channel_id, shard) VALUES (1, 'ann.bob', 0);
		INSERT INTO messages (place, log, prev, at, sender, cid, kind, body)
			VALUES (5, 1, 0, 50, 'ann', 'c5', 'text', '{"text":"hi"}'), (7, 1, 5, 70, 'bob', 'c7', 'text', '{}');
		INSERT INTO archived (shard, seq) VALUES (0, 7)`,
	2: `UPDATE users SET about = 'hello', show_read = 0, may_group = 'contacts' WHERE id = 'ann';
		INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ('ann', 'cem', 4);
		INSERT INTO contacts (user_id, contact_id) VALUES ('ann', 'bob')`,
	3: `INSERT INTO channels (id, kind, created_at, disappear) VALUES ('g.1', 'group', 6, 86400);
		INSERT INTO groups (channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members)
			VALUES ('g.1', 'Team', '', '', 'ann', 'g', 'all', 'all', 'joined', 'invite', 1);
		INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at, pinned) VALUES ('cem', 'g.1', 0, 8, 6, 1);
		INSERT INTO outbox (cid, channel_id, after_seq, sender, kind, body, told) VALUES ('o', 'g.1', 9, 'cem', 'group', '{}', '[]')`,
	4: `INSERT INTO changes (place, log, target, prev, at, sender, cid, kind, body, only_sender) VALUES (8, 1, 5, 7, 80, 'bob', 'c8', 'reaction', '{}', 0);
		INSERT INTO reactions (target, user_id, emoji, place) VALUES (5, 'bob', '+', 8);
		INSERT INTO stars (user_id, target, at) VALUES ('ann', 7, 90);
		UPDATE archived SET seq = 8`,
	5: `INSERT INTO words (rowid, terms) VALUES (5, '1xhi');
		INSERT INTO indexed (shard, seq) VALUES (0, 7)`,
	6: `INSERT INTO services (name, user_id, may_users, may_groups, rate, credential, webhook, secret, created_at)
			VALUES ('orders', 'cem', 1, 0, 2.5, 'U', '', '', 9);
		INSERT INTO service_sends (user_id, cid, channel, at) VALUES ('cem', 'c9', 'bob.cem', 9);
		INSERT INTO taken (key, period, n) VALUES ('otp +491', 9, 2);
		INSERT INTO identities (issuer, subject, user_id) VALUES ('https://id.example', 'ann', 'ann')`,
	7: `INSERT INTO objects (sha256, blob, size, type, state, width, height, preview, thumb, thumb_size) VALUES ('aa', 'b', 7, 'image/png', 'ready', 3, 4, 'L', 't', 2);
		INSERT INTO media (id, sha256, user_id, channel_id, name, created_at, sent) VALUES ('m', 'aa', 'ann', 'ann.bob', 'x.png', 9, 1);
		INSERT INTO media_refs (media, place) VALUES ('m', 7);
		INSERT INTO media_holds (media, user_id, cid, until) VALUES ('m', 'ann', 'c', 10);
		INSERT INTO media_erasures (blob) VALUES ('gone');
		INSERT INTO media_spent (user_id, day, bytes) VALUES ('ann', 20000, 7);
		INSERT INTO media_keys (created_at, key) VALUES (9, x'6b')`,
	8: `INSERT INTO devices (id, user_id, name, platform, public_key, created_at, seen_at, refresh_family, refresh_once, refresh_attempt, refresh_expires)
			VALUES ('d', 'ann', 'phone', 'test', '', 1, 2, x'01', x'02', '', 3);
		INSERT INTO push_devices (device_id, user_id, kind, address, hash, show, mentions, created_at) VALUES ('d', 'ann', 'fcm', '{}', 'h', 'all', 0, 9);
		INSERT INTO push_positions (shard, seq) VALUES (0, 7);
		INSERT INTO push_keys (name, value) VALUES ('vapid', 'k')`,
}

// What was written with any earlier version is there with this one, and works.
func TestMigrationFromEveryVersion(t *testing.T) {
	if newest := newestVersion(t); int(newest) != len(dataOf)-1 {
		t.Errorf("the newest version is %d: this test knows %d", newest, len(dataOf)-1)
	}
	for from := 1; from < len(dataOf); from++ {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "weft.db")
			w, err := openWriter(path, "FULL", nil)
			if err != nil {
				t.Fatal(err)
			}
			for v := 1; v <= from; v++ {
				if err := migrate(t.Context(), w.db, int64(v)); err != nil {
					t.Fatal(err)
				}
				if _, err := w.db.ExecContext(t.Context(), dataOf[v]); err != nil {
					t.Fatalf("data of version %d: %v", v, err)
				}
			}
			w.close()

			s, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			page, err := s.Page(t.Context(), history.View{User: "ann", Channel: "ann.bob"}, 0, nil, 10)
			if err != nil || len(page) != 2 || page[0].Seq != 5 || page[1].Seq != 7 || string(page[0].Body) != `{"text":"hi"}` {
				t.Errorf("page: %v, %v", page, err)
			}
			list, err := s.List(t.Context(), "bob", chats.Place{}, 10)
			if err != nil || len(list) != 1 || list[0].Name != "Ann" || list[0].Last == nil || list[0].Last.Seq != 7 {
				t.Errorf("list: %v, %v", list, err)
			}
			if err := s.Claim(t.Context(), "f"); err != nil {
				t.Error(err)
			}
			if at, err := s.Archived(t.Context(), 1); err != nil || at[0] < 7 {
				t.Errorf("archived: %v, %v", at, err)
			}
		})
	}
}
