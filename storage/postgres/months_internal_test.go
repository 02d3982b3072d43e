package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

func TestMonths(t *testing.T) {
	for _, test := range []struct {
		at           string
		month        month
		before, next month
	}{
		{"2026-11-30T23:59:59.999Z", 202611, 202610, 202612},
		{"2026-12-01T00:00:00Z", 202612, 202611, 202701},
		{"2027-01-01T01:30:00+02:00", 202612, 202611, 202701}, // UTC, whatever the clock on the wall says
		{"2027-01-01T00:00:00Z", 202701, 202612, 202702},
		{"1969-12-31T23:59:59Z", 197001, 196912, 197002},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		m := monthOf(at.UnixMilli())
		if m != test.month || m.before() != test.before || m.next() != test.next {
			t.Errorf("%s is in %d between %d and %d, want %d, %d, %d", test.at, m, m.before(), m.next(), test.month, test.before, test.next)
		}
	}
	if m := monthOf(1 << 62); m != lastMonth {
		t.Errorf("a time without end is in %d", m)
	}
}

func openTest(t testing.TB, url string) *DB {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// in returns a time in the month n months from now.
func in(n int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()+time.Month(n), 15, 0, 0, 0, 0, time.UTC)
}

func stored1(c fabric.ChannelID, seq uint64, at time.Time) fabric.Stored {
	return fabric.Stored{Channel: c, Seq: seq, Prev: seq - 1, At: fabric.Millis(at), Message: fabric.Message{
		From: "someone", CID: fabric.NewCID(), Kind: "text", Body: json.RawMessage(fmt.Sprintf(`{"n":%d}`, seq)),
	}}
}

func newChannel() fabric.ChannelID { return fabric.Direct(fabric.NewUserID(), fabric.NewUserID()) }

func seqs(page []fabric.Stored) string {
	var all []uint64
	for _, m := range page {
		all = append(all, m.Seq)
	}
	return strings.Trim(fmt.Sprint(all), "[]")
}

// A channel's pages are in the order of its log whatever months they go through, and whatever a server's clock said.
func TestPagesThroughMonths(t *testing.T) {
	s := openTest(t, weftest.Postgres(t))
	c, sparse, later := newChannel(), newChannel(), newChannel()
	var batch []fabric.Stored
	seq := uint64(0)
	add := func(c fabric.ChannelID, at time.Time) {
		seq++
		batch = append(batch, stored1(c, seq, at))
	}
	// given 2 messages of c in each of 24 months, with one that a clock gave a time in the month before, and one far off
	for n := -24; n < 0; n++ {
		add(c, in(n))
		if n == -10 {
			add(c, in(n-1))
		}
		if n == -24 || n == -13 || n == -1 {
			add(sparse, in(n))
		}
		if n == -5 {
			add(later, in(1000))
			add(later, in(n))
		}
		add(c, in(n))
	}
	if err := s.Archive(t.Context(), 3, batchOf(batch), seq); err != nil {
		t.Fatal(err)
	}
	for _, of := range []fabric.ChannelID{c, sparse, later} {
		var want []fabric.Stored
		for _, m := range batch {
			if m.Channel == of {
				want = append(want, m)
			}
		}
		for _, limit := range []int{1, 2, 3, 7, 100} {
			var up, down []fabric.Stored
			after, before := uint64(0), uint64(0)
			for {
				page, err := messagesOf(s.Page(t.Context(), viewOf(of), 0, &after, limit))
				if err != nil {
					t.Fatal(err)
				}
				if up = append(up, page...); len(page) < limit {
					break
				}
				after = page[len(page)-1].Seq
			}
			for {
				page, err := messagesOf(s.Page(t.Context(), viewOf(of), before, nil, limit))
				if err != nil {
					t.Fatal(err)
				}
				if down = append(page, down...); len(page) < limit {
					break
				}
				before = page[0].Seq
			}
			if seqs(up) != seqs(want) || seqs(down) != seqs(want) {
				t.Errorf("pages of %d: upwards %s, downwards %s, want %s", limit, seqs(up), seqs(down), seqs(want))
			}
		}
		for i, m := range want {
			page, err := messagesOf(s.Page(t.Context(), viewOf(of), m.Seq+1, nil, 1))
			if err != nil || len(page) != 1 || page[0].At != m.At || string(page[0].Body) != string(m.Body) {
				t.Errorf("message %d: %v, %v, want %v", i, page, err, m)
			}
			if n, err := s.Unread(t.Context(), of, "ann", m.Seq, 1000); err != nil || n != len(want)-1-i {
				t.Errorf("unread after %d: %d, %v, want %d", m.Seq, n, err, len(want)-1-i)
			}
		}
	}
}

// An old month is detached while others are read and written; what comes for it gets a partition again.
func TestDetachedMonth(t *testing.T) {
	s := openTest(t, weftest.Postgres(t))
	c, d := newChannel(), newChannel()
	archive := func(upto uint64, batch ...fabric.Stored) error {
		return s.Archive(t.Context(), 0, batchOf(batch), upto)
	}
	if err := archive(3, stored1(d, 1, in(-2)), stored1(c, 2, in(-2)), stored1(c, 3, in(-1))); err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	old, last := monthOf(fabric.Millis(in(-2))), monthOf(fabric.Millis(in(-1)))
	exec(fmt.Sprintf(`ALTER TABLE messages DETACH PARTITION messages_%d CONCURRENTLY`, old))
	for _, test := range []struct {
		of   fabric.ChannelID
		want string
	}{{c, "3"}, {d, ""}} {
		page, err := messagesOf(s.Page(t.Context(), viewOf(test.of), 0, nil, 10))
		if err != nil || seqs(page) != test.want {
			t.Errorf("page without the old month: %s, %v, want %s", seqs(page), err, test.want)
		}
	}
	// the newest month goes too, under an archive that has seen its partition
	exec(fmt.Sprintf(`ALTER TABLE messages DETACH PARTITION messages_%d`, last))
	if err := archive(4, stored1(c, 4, in(-1))); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("table messages_%d that is no partition", last)) {
		t.Errorf("archive beside a detached table: %v", err)
	}
	exec(fmt.Sprintf(`ALTER TABLE messages_%d RENAME TO kept`, last))
	if err := archive(4, stored1(c, 4, in(-1))); err != nil {
		t.Fatal(err)
	}
	if page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, nil, 10)); err != nil || seqs(page) != "4" {
		t.Errorf("page: %s, %v", seqs(page), err)
	}
}

// Several processes that meet the same new months make each once.
func TestPartitionsAtOnce(t *testing.T) {
	url := weftest.Postgres(t)
	var all []*DB
	for range 4 {
		all = append(all, openTest(t, url))
	}
	var wg sync.WaitGroup
	for shard, s := range all {
		wg.Go(func() {
			c := newChannel()
			for n := range 12 {
				seq := uint64(n + 1)
				if err := s.Archive(t.Context(), shard, batchOf([]fabric.Stored{stored1(c, seq, in(n-12))}), seq); err != nil {
					t.Error(err)
				}
			}
			if page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, nil, 100)); err != nil || len(page) != 12 {
				t.Errorf("%d messages, %v", len(page), err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := all[0].pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass`).Scan(&n); err != nil || n != 12 {
		t.Errorf("%d partitions, %v, want 12", n, err)
	}
}
