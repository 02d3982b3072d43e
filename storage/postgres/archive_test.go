package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// Archives of the same messages at once, by several processes, write each once.
func TestArchiveAtOnce(t *testing.T) {
	url := weftest.Postgres(t)
	const messages, size = 2000, 50
	var all []fabric.Stored
	channels := []fabric.ChannelID{fabric.Self(fabric.NewUserID()), fabric.Self(fabric.NewUserID()), fabric.Self(fabric.NewUserID())}
	for seq := uint64(1); seq <= messages; seq++ {
		all = append(all, stored(channels[seq%3], seq, `{}`))
	}
	var wg sync.WaitGroup
	for n := range 4 {
		s := open(t, url)
		wg.Go(func() {
			for from := 0; from < messages; from += size - n { // each cuts its batches elsewhere
				to := min(from+size, messages)
				if err := s.Archive(t.Context(), 0, batchOf(all[from:to]), uint64(to)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, url)
	for i, c := range channels {
		page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, new(uint64), messages))
		if err != nil {
			t.Fatal(err)
		}
		for j, m := range page {
			if j > 0 && m.Seq != page[j-1].Seq+3 {
				t.Fatalf("channel %d: %d behind %d", i, m.Seq, page[j-1].Seq)
			}
		}
		if len(page) != messages/3 && len(page) != messages/3+1 {
			t.Errorf("channel %d has %d messages", i, len(page))
		}
	}
	if at, err := s.Archived(t.Context(), 1); err != nil || at[0] != messages {
		t.Errorf("archived %v, %v", at, err)
	}
}

// A database that has forgotten what it was given must not be given what comes behind that.
func TestArchiveOfADatabaseThatWentBack(t *testing.T) {
	url := weftest.Postgres(t)
	s := open(t, url)
	c := fabric.Self(fabric.NewUserID())
	for seq := uint64(1); seq <= 3; seq++ {
		if err := s.Archive(t.Context(), 0, batchOf([]fabric.Stored{stored(c, seq, `{}`)}), seq); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `DELETE FROM messages WHERE seq > 1; UPDATE archived SET seq = 1`); err != nil {
		t.Fatal(err)
	}
	err = s.Archive(t.Context(), 0, batchOf([]fabric.Stored{stored(c, 4, `{}`)}), 4)
	if err == nil || !strings.Contains(err.Error(), "gone back from seq 3 to 1") {
		t.Errorf("archive: %v", err)
	}
	if err := open(t, url).Archive(t.Context(), 0, batchOf([]fabric.Stored{stored(c, 2, `{}`), stored(c, 3, `{}`), stored(c, 4, `{}`)}), 4); err != nil {
		t.Errorf("after a start: %v", err)
	}
	if page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, nil, 10)); err != nil || len(page) != 4 {
		t.Errorf("page: %v, %v", page, err)
	}
}

// A record that no database takes as it is must not hold up all that follow it.
func TestArchiveOfBrokenText(t *testing.T) {
	s := open(t, weftest.Postgres(t))
	c := fabric.Self(fabric.NewUserID())
	if err := s.Archive(t.Context(), 0, batchOf([]fabric.Stored{stored(c, 1, "{\"text\":\"a\xffb\x00c\"}"), stored(c, 2, `{"text":"\u0000 ✓"}`)}), 2); err != nil {
		t.Fatal(err)
	}
	page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, nil, 10))
	if err != nil || len(page) != 2 {
		t.Fatalf("page: %v, %v", page, err)
	}
	for i, want := range []string{"{\"text\":\"a\uFFFDb\uFFFDc\"}", `{"text":"\u0000 ✓"}`} {
		if got := string(page[i].Body); got != want {
			t.Errorf("body %q, want %q", got, want)
		}
	}
}

func stored(c fabric.ChannelID, seq uint64, body string) fabric.Stored {
	return fabric.Stored{Channel: c, Seq: seq, Prev: seq - 1, At: 1_790_000_000_000 + int64(seq),
		Message: fabric.Message{From: "someone", CID: fabric.NewCID(), Kind: "text", Body: []byte(body)}}
}

// On a server that syncs its disk as one in use does.
func BenchmarkArchive(b *testing.B) {
	server := weftest.StartPostgres(b)
	for _, channels := range []int{50, 5000, 50_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			s := open(b, server.Database(b))
			var all []fabric.ChannelID
			for range channels {
				all = append(all, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
			}
			body := []byte(`{"text":"` + strings.Repeat("x", 89) + `"}`)
			from, cid := fabric.NewUserID(), fabric.NewCID()
			const size = 2000
			batch := make([]fabric.Stored, size)
			seq := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					seq++
					batch[i] = fabric.Stored{Channel: all[seq%uint64(channels)], Seq: seq, Prev: seq, At: int64(seq),
						Message: fabric.Message{From: from, CID: cid, Kind: "text", Body: body}}
				}
				if err := s.Archive(b.Context(), 0, batchOf(batch), seq); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/message")
		})
	}
}
