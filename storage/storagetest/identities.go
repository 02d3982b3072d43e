package storagetest

import (
	"sync"
	"testing"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// People whom an issuer knows have one user each, also where two of their devices come at once, and no phone.
func testIdentities(t *testing.T, s Store) {
	signIn := func(issuer, subject string) (fabric.User, error) {
		in := users.SignIn{
			Identity: users.Identity{Issuer: issuer, Subject: subject}, NewUser: fabric.NewUserID(), Name: subject,
			Device: fabric.Device{ID: fabric.NewDeviceID(), CreatedAt: start, SeenAt: start}, RefreshExpiresAt: start + 1,
		}
		in.Family, in.Once = auth.NewRefreshToken().Hashes()
		u, _, err := s.SignIn(t.Context(), in, 100)
		return u, err
	}
	must := func(issuer, subject string) fabric.User {
		t.Helper()
		u, err := signIn(issuer, subject)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	var mu sync.Mutex
	seen := map[fabric.UserID]bool{}
	atOnce(func() {
		u, err := signIn("https://id.example", "ann")
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		seen[u.ID] = true
		mu.Unlock()
	})
	want(t, "users of one identity", len(seen), 1)
	ann := must("https://id.example", "ann")
	want(t, "the name", ann.Name, "ann")
	want(t, "the phone", ann.Phone, "")
	if !seen[ann.ID] {
		t.Errorf("ann is another user the next time")
	}
	for _, other := range []fabric.User{must("https://id.example", "bob"), must("https://other.example", "ann")} {
		if seen[other.ID] {
			t.Errorf("%+v is ann", other)
		}
	}
	if got, err := s.User(t.Context(), ann.ID); err != nil || got.Phone != "" {
		t.Errorf("ann: %+v, %v", got, err)
	}
	if _, err := s.Erase(t.Context(), ann.ID, start); err != nil {
		t.Fatal(err)
	}
	if again := must("https://id.example", "ann"); again.ID == ann.ID {
		t.Error("who deleted their account is the same user afterwards")
	}
}
