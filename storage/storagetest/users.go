package storagetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

func testCodes(t *testing.T, s Store) {
	const phone = "+4915100000000"
	good, bad := auth.CodeHash(phone, "123456"), auth.CodeHash(phone, "654321")
	save := func(h auth.Hash) {
		t.Helper()
		if err := s.SaveCode(t.Context(), users.Code{Phone: phone, Hash: h, ExpiresAt: start + 100}); err != nil {
			t.Fatal(err)
		}
	}
	try := func(what string, h auth.Hash, now int64, want error) {
		t.Helper()
		if err := s.TryCode(t.Context(), phone, h, now, 3); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	try("none was asked for", good, start, users.ErrWrongCode)
	save(good)
	try("a wrong one", bad, start, users.ErrWrongCode)
	try("the right one", good, start+100, nil)
	try("the right one again", good, start, users.ErrWrongCode)
	save(good)
	try("an expired one", good, start+101, users.ErrWrongCode)
	save(good)
	for range 3 {
		try("a wrong one", bad, start, users.ErrWrongCode)
	}
	try("the right one after three wrong ones", good, start, users.ErrWrongCode)
	save(bad)
	save(good)
	try("the one before the newest", bad, start, users.ErrWrongCode)
	try("the newest", good, start, nil)
}

func testCodeIsSpentOnce(t *testing.T, s Store) {
	h := auth.CodeHash("+491", "1")
	if err := s.SaveCode(t.Context(), users.Code{Phone: "+491", Hash: h, ExpiresAt: start}); err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	atOnce(func() {
		if err := s.TryCode(t.Context(), "+491", h, start, 100); err == nil {
			taken.Add(1)
		} else if !errors.Is(err, users.ErrWrongCode) {
			t.Error(err)
		}
	})
	want(t, "times a code was taken", taken.Load(), 1)
}

// atOnce runs f several times at once.
func atOnce(f func()) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(f)
	}
	wg.Wait()
}

func testSignIn(t *testing.T, s Store) {
	first, _ := signIn(t, s, "+4915100000001", "ann", start, 16)
	again, _ := signIn(t, s, "+4915100000001", "somebody", start, 16)
	other, _ := signIn(t, s, "+4915100000002", "bob", start, 16)
	if first.ID == "" || first.ID == other.ID {
		t.Errorf("ids %q and %q, want two", first.ID, other.ID)
	}
	// who is known keeps id and name
	want(t, "who signs in again", again.User, fabric.User{ID: first.ID, Name: "ann", Phone: "+4915100000001"})
	devices, err := s.Devices(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "devices", devices, []fabric.Device{
		{ID: first.device, Name: "ann's phone", Platform: "test", CreatedAt: start, SeenAt: start},
		{ID: again.device, Name: "somebody's phone", Platform: "test", CreatedAt: start, SeenAt: start},
	})
}

func testSignInAtOnce(t *testing.T, s Store) {
	var mu sync.Mutex
	ids := map[fabric.UserID]bool{}
	atOnce(func() {
		u, _ := signIn(t, s, "+4915100000003", "ann", start, 16)
		mu.Lock()
		defer mu.Unlock()
		ids[u.ID] = true
	})
	want(t, "users with one phone", len(ids), 1)
}

func testTooManyDevices(t *testing.T, s Store) {
	a, _ := signIn(t, s, "+491", "a", start+3, 2)
	b, _ := signIn(t, s, "+491", "b", start+1, 2)
	c, revoked := signIn(t, s, "+491", "c", start+2, 2)
	want(t, "revoked by the third of two", revoked, []fabric.DeviceID{b.device})
	devices, err := s.Devices(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "devices", []fabric.DeviceID{devices[0].ID, devices[1].ID}, []fabric.DeviceID{a.device, c.device})
	if _, err := s.Rotate(t.Context(), rotation(b.token, b.token.Next(), "")); !errors.Is(err, users.ErrNoGrant) {
		t.Errorf("rotate of a revoked device: %v", err)
	}
}

// rotation spends one token for another, a moment after the start.
func rotation(spent, next auth.RefreshToken, attempt string) users.Rotation {
	r := users.Rotation{Attempt: attempt, At: start + 10, ExpiresAt: start + 2000}
	r.Family, r.Once = spent.Hashes()
	_, r.Next = next.Hashes()
	return r
}

func testRotate(t *testing.T, s Store) {
	u, _ := signIn(t, s, "+491", "ann", start, 16)
	second, third := u.token.Next(), u.token.Next()
	for _, r := range []users.Rotation{rotation(u.token, second, "a"), rotation(second, third, "")} {
		h, err := s.Rotate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "holder", h, users.Holder{
			User: u.User, PublicKey: "Uann",
			Device: fabric.Device{ID: u.device, Name: "ann's phone", Platform: "test", CreatedAt: start, SeenAt: start + 10},
		})
	}
	late := rotation(third, third.Next(), "")
	late.At = start + 2001
	if _, err := s.Rotate(t.Context(), late); !errors.Is(err, users.ErrNoGrant) {
		t.Errorf("an expired token: %v", err)
	}
	stranger := auth.NewRefreshToken()
	if _, err := s.Rotate(t.Context(), rotation(stranger, stranger.Next(), "")); !errors.Is(err, users.ErrNoGrant) {
		t.Errorf("an unknown token: %v", err)
	}
}

// A spent token revokes its device, however long ago it was spent.
func testRotateAgain(t *testing.T, s Store) {
	for _, rounds := range []int{1, 2, 5} {
		u, _ := signIn(t, s, "+491", "ann", start, 16)
		now := u.token
		for range rounds {
			next := now.Next()
			if _, err := s.Rotate(t.Context(), rotation(now, next, "")); err != nil {
				t.Fatal(err)
			}
			now = next
		}
		h, err := s.Rotate(t.Context(), rotation(u.token, u.token.Next(), ""))
		if !errors.Is(err, users.ErrSpent) || h.Device.ID != u.device || h.User.ID != u.ID {
			t.Errorf("a token spent %d rounds ago: %v of %+v", rounds, err, h)
		}
		if _, err := s.Rotate(t.Context(), rotation(now, now.Next(), "")); !errors.Is(err, users.ErrNoGrant) {
			t.Errorf("the newest token after that: %v", err)
		}
		devices, err := s.Devices(t.Context(), u.ID)
		if err != nil || len(devices) != 0 {
			t.Errorf("devices after that: %v, %v", devices, err)
		}
	}
}

// Whose reply was lost asks again with the same attempt, as often as it takes; not once the reply was used.
func testRotateRetry(t *testing.T, s Store) {
	u, _ := signIn(t, s, "+491", "ann", start, 16)
	var next auth.RefreshToken
	for range 3 {
		next = u.token.Next()
		if _, err := s.Rotate(t.Context(), rotation(u.token, next, "try-1")); err != nil {
			t.Fatalf("retry: %v", err)
		}
	}
	if _, err := s.Rotate(t.Context(), rotation(next, next.Next(), "try-2")); err != nil {
		t.Fatalf("the last reply's token: %v", err)
	}
	if _, err := s.Rotate(t.Context(), rotation(u.token, u.token.Next(), "try-1")); !errors.Is(err, users.ErrSpent) {
		t.Errorf("retry after the reply was used: %v", err)
	}

	u, _ = signIn(t, s, "+491", "ann", start, 16)
	for _, attempt := range []string{"try-3", "try-4"} {
		_, err := s.Rotate(t.Context(), rotation(u.token, u.token.Next(), attempt))
		if attempt == "try-4" && !errors.Is(err, users.ErrSpent) {
			t.Errorf("another attempt with a spent token: %v", err)
		}
	}
}

func testRevoke(t *testing.T, s Store) {
	ann, _ := signIn(t, s, "+491", "ann", start, 16)
	bob, _ := signIn(t, s, "+492", "bob", start, 16)
	if err := s.Revoke(t.Context(), bob.ID, ann.device, start); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("another's device: %v", err)
	}
	for range 2 {
		if err := s.Revoke(t.Context(), ann.ID, ann.device, start); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Rotate(t.Context(), rotation(ann.token, ann.token.Next(), "")); !errors.Is(err, users.ErrNoGrant) {
		t.Errorf("rotate after that: %v", err)
	}
	if _, err := s.Rotate(t.Context(), rotation(bob.token, bob.token.Next(), "")); err != nil {
		t.Errorf("rotate of another: %v", err)
	}
}

func rename(t *testing.T, s Store, u fabric.UserID, name string) (fabric.User, error) {
	p, err := s.Change(t.Context(), u, func(p *users.Profile) error {
		p.Name = name
		return nil
	})
	return p.User, err
}

func testProfile(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann")
	renamed, err := rename(t, s, ann.ID, "Ann ❤")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	ann.Name = "Ann ❤"
	want(t, "renamed", renamed, ann)
	want(t, "read again", got, ann)
	if _, err := s.User(t.Context(), fabric.NewUserID()); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("an unknown user: %v", err)
	}
	if _, err := rename(t, s, fabric.NewUserID(), "x"); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("rename an unknown user: %v", err)
	}
}

func testByPhones(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	found, err := s.ByPhones(t.Context(), []string{ann.Phone, "+4930000000", bob.Phone, `"];--`})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "found", found, []fabric.User{ann, bob})
	for _, phones := range [][]string{nil, {"+4930000000"}} {
		if found, err := s.ByPhones(t.Context(), phones); err != nil || len(found) > 0 {
			t.Errorf("%v: %v, %v", phones, found, err)
		}
	}
}
