package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// calls has a call of each sort that a store has: reads, writes, transactions with a caller's part, the archive.
func calls(ctx context.Context, s *postgres.DB, u fabric.UserID) map[string]func() error {
	c := fabric.NewGroupID().Channel()
	return map[string]func() error{
		"Archived": func() error { _, err := s.Archived(ctx, 1); return err },
		"Page":     func() error { _, err := messagesOf(s.Page(ctx, viewOf(c), 0, nil, 10)); return err },
		"List":     func() error { _, err := s.List(ctx, u, chats.Place{}, 10); return err },
		"User":     func() error { _, err := s.User(ctx, u); return err },
		"Rename":   func() error { _, err := s.Change(ctx, u, func(*users.Profile) error { return nil }); return err },
		"SaveCode": func() error { return s.SaveCode(ctx, users.Code{Phone: "+49", Hash: auth.Hash{}, ExpiresAt: 1}) },
		"TryCode":  func() error { return s.TryCode(ctx, "+49", auth.Hash{}, 1, 3) },
		"OpenDirect": func() error {
			_, err := s.OpenDirect(ctx, fabric.Direct(u, fabric.NewUserID()), u, u, 1)
			return err
		},
		"InGroup": func() error {
			return s.InGroup(ctx, c, func(g chats.GroupTx) error { _, err := g.Owners(ctx); return err })
		},
		"AddInvite": func() error { return s.AddInvite(ctx, c, contract.Invite{}, 1, 1) },
		"Relayed":   func() error { return s.Relayed(ctx, []chats.Relayed{{Num: 1, CID: "x"}}) },
		"Archive": func() error {
			return s.Archive(ctx, 0, batchOf([]fabric.Stored{stored(fabric.Self(u), 1, `{}`)}), 1)
		},
		"Claim": func() error { return s.Claim(ctx, "f") },
	}
}

// While the server is away every call says so, and soon; once it is back they work.
func TestAway(t *testing.T) {
	server := weftest.StartPostgres(t, "fsync=off")
	s := open(t, server.Database(t))
	ann := storagetest.NewUser(t, s, "ann")
	for _, end := range []func() error{server.Stop, server.Kill} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		for what, call := range calls(t.Context(), s, ann.ID) {
			begin := time.Now()
			if err := call(); fabric.CodeOf(err) != fabric.CodeUnavailable {
				t.Errorf("%s without a server: %v", what, err)
			}
			if took := time.Since(begin); took > 6*time.Second {
				t.Errorf("%s took %s to say that there is no server", what, took)
			}
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		weftest.Eventually(t, "the store works again", func() bool {
			got, err := s.User(t.Context(), ann.ID)
			return err == nil && got.ID == ann.ID
		})
		for range 32 { // whichever connection it gets
			if _, err := s.User(t.Context(), ann.ID); err != nil {
				t.Error(err)
			}
		}
	}
}

// A caller's time limit holds while something else holds what it needs.
func TestTimeLimit(t *testing.T) {
	url := weftest.Postgres(t)
	s := open(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE users, codes, channels, groups, logs, members, archived, fabric IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	limit, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for what, call := range calls(limit, s, fabric.NewUserID()) {
		if what == "Relayed" {
			continue // its locks name no group: nothing holds it up
		}
		wg.Go(func() {
			begin := time.Now()
			err := call()
			if fabric.CodeOf(err) != fabric.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
				t.Errorf("%s: %v after %s", what, err, time.Since(begin))
			}
		})
	}
	wg.Wait()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.User(gone, "x"); !errors.Is(err, context.Canceled) || fabric.CodeOf(err) == fabric.CodeUnavailable {
		t.Errorf("whoever asked has gone: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Archived(t.Context(), 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// An archive goes on where it was, with nothing lost or doubled, however often the server is killed under it.
func TestArchiveAcrossKills(t *testing.T) {
	server := weftest.StartPostgres(t, "fsync=off") // a kill leaves what the system has, only a power cut needs fsync
	s := open(t, server.Database(t))
	const messages = 20_000
	channels := []fabric.ChannelID{fabric.Self(fabric.NewUserID()), fabric.Self(fabric.NewUserID())}
	kills := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { // kills the server each time that the archive has come some way
		for range kills {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // at any point of a transaction
			if err := errors.Join(server.Kill(), server.Start()); err != nil {
				t.Error(err)
			}
		}
	})
	back := func() {
		weftest.Eventually(t, "the server is back", func() bool { _, err := s.Archived(t.Context(), 1); return err == nil })
	}
	failed, asked := 0, 0
	for at := uint64(0); at < messages; {
		if int(at/5000) > asked {
			asked++
			kills <- struct{}{}
		}
		to := min(at+uint64(1+rand.IntN(400)), messages)
		var batch []fabric.Stored
		for seq := at + 1; seq <= to; seq++ {
			batch = append(batch, stored(channels[seq%2], seq, `{}`))
		}
		if err := s.Archive(t.Context(), 0, batchOf(batch), to); err != nil {
			failed++
			if fabric.CodeOf(err) != fabric.CodeUnavailable {
				t.Fatal(err)
			}
			back()
			continue // from the same place, as the role does it: nobody knows whether that transaction was committed
		}
		at = to
	}
	close(kills)
	wg.Wait()
	if failed == 0 {
		t.Error("no archive met a server that was killed")
	}
	back()
	for i, c := range channels {
		page, err := messagesOf(s.Page(t.Context(), viewOf(c), 0, new(uint64), messages))
		if err != nil {
			t.Fatal(err)
		}
		if len(page) != messages/2 {
			t.Errorf("channel %d has %d messages, want %d", i, len(page), messages/2)
		}
		for j := 1; j < len(page); j++ {
			if page[j].Seq != page[j-1].Seq+2 {
				t.Fatalf("channel %d: %d behind %d", i, page[j].Seq, page[j-1].Seq)
			}
		}
	}
}
