package auth_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

func keys(t testing.TB) *auth.Keys {
	t.Helper()
	k, err := auth.OpenKeys(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Who joins a fabric takes its keys, and makes none.
func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	if _, err := auth.ReadKeys(dir); err == nil || !strings.Contains(err.Error(), "want a folder that `weft auth init` made") {
		t.Errorf("an empty folder: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("it was written into: %v, %v", files, err)
	}
	made, err := auth.OpenKeys(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	read, err := auth.ReadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := made.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.Verifier().Verify(token); err != nil {
		t.Errorf("a token by the same keys: %v", err)
	}
}

func TestKeysAreMadeOnceAndKeptSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := auth.OpenKeys(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := auth.OpenKeys(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := first.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Verifier().Verify(token); err != nil {
		t.Errorf("a token from before a restart: %v", err)
	}
	secrets := 0
	err = filepath.WalkDir(dir, func(path string, f os.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return err
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".jwt") { // public
			return nil
		}
		if secrets++; info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || secrets < 5+len(subjects.Roles()) {
		t.Fatalf("%d secrets, %v", secrets, err)
	}
	if err := os.Chmod(filepath.Join(dir, "operator.nk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.OpenKeys(dir, 0); err == nil || !strings.Contains(err.Error(), "others") {
		t.Errorf("keys that others can read were taken: %v", err)
	}
}

// How many shards the permissions are for is said once, and stays when nothing else is said.
func TestShardsStay(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct{ say, want int }{{0, 1}, {4, 4}, {0, 4}} {
		k, err := auth.OpenKeys(dir, step.say)
		if err != nil {
			t.Fatal(err)
		}
		if k.Shards() != step.want {
			t.Errorf("told %d, the keys are for %d shards, want %d", step.say, k.Shards(), step.want)
		}
	}
}

func TestVerify(t *testing.T) {
	k, other := keys(t), keys(t)
	u, d := fabric.NewUserID(), fabric.NewDeviceID()
	issue := func(k *auth.Keys, public string, at time.Time) string {
		token, _, err := k.Issuer().Issue(u, d, public, at)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := issue(k, "", time.Now())
	parts := strings.Split(good, ".")
	role, _, err := k.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`))
	for _, tc := range []struct {
		name, token, want string
	}{
		{"a good one", good, ""},
		{"expired within the skew", issue(k, "", time.Now().Add(-auth.AccessLife-30*time.Second)), ""},
		{"expired by a clock that is almost a minute ahead", issue(k, "", time.Now().Add(-auth.AccessLife-59*time.Second)), ""},
		{"issued by a clock that is a minute ahead", issue(k, "", time.Now().Add(time.Minute)), ""},
		{"issued by a clock that is a minute behind", issue(k, "", time.Now().Add(-time.Minute)), ""},
		{"expired by more than clocks may differ", issue(k, "", time.Now().Add(-auth.AccessLife-61*time.Second)), "expired"},
		{"expired", issue(k, "", time.Now().Add(-auth.AccessLife-2*time.Minute)), "expired"},
		{"of another fabric", issue(other, "", time.Now()), "not of this server"},
		{"of a role", role, "not of this server"},
		{"empty", "", "want an access token"},
		{"no JWT", "hello", "malformed"},
		{"a changed claim", parts[0] + "." + parts[1][:len(parts[1])-2] + "AA." + parts[2], "malformed"},
		{"without its signature", parts[0] + "." + parts[1] + ".", "malformed"},
		{"algorithm none", none + "." + parts[1] + ".", "malformed"},
		{"very long", strings.Repeat("a", 1<<20), "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := k.Verifier()
			if again, err := v.Verify(tc.token); err == nil { // a remembered token is the same
				if c, err := v.Verify(tc.token); err != nil || c != again {
					t.Errorf("the second time: %+v, %v", c, err)
				}
			}
			c, err := v.Verify(tc.token)
			if tc.want == "" {
				if err != nil || c.User != u || c.Device != d || c.PublicKey != "" {
					t.Errorf("got %+v, %v", c, err)
				}
				return
			}
			if err == nil || fabric.CodeOf(err) != fabric.CodeUnauthenticated || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it refused as %q", err, tc.want)
			}
		})
	}
}

func TestTokenBoundToAKeyNeedsItsSignature(t *testing.T) {
	k := keys(t)
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.Verifier().Verify(token)
	if err != nil || c.PublicKey != public {
		t.Fatalf("got %+v, %v", c, err)
	}
	sig, err := pair.Sign([]byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(sig)
	if err := k.Verifier().VerifySignature(c, "nonce", text); err != nil {
		t.Errorf("the right signature: %v", err)
	}
	for _, wrong := range []string{"", "!", text[:len(text)-4], base64.RawURLEncoding.EncodeToString([]byte("no signature"))} {
		if err := k.Verifier().VerifySignature(c, "nonce", wrong); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			t.Errorf("signature %q: got %v", wrong, err)
		}
	}
	if err := k.Verifier().VerifySignature(c, "another nonce", text); err == nil {
		t.Error("a signature of another nonce was taken")
	}
	if _, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "UNOKEY", time.Now()); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("a public key that is none: got %v", err)
	}
}

// An access token is a NATS user JWT that could do nothing on NATS itself.
func TestAccessTokenMayDoNothingOnNATS(t *testing.T) {
	k := keys(t)
	token, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	uc, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	if !uc.Pub.Deny.Contains(">") || !uc.Sub.Deny.Contains(">") || !uc.BearerToken {
		t.Errorf("got %+v", uc.UserPermissionLimits)
	}
}

func FuzzVerify(f *testing.F) {
	k := keys(f)
	good, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("..")
	f.Add("e30.e30.e30")
	v := k.Verifier()
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(token); err == nil && token != good {
			// base64 has unused bits: another spelling of the very same token is the same token.
			if _, err := jwt.DecodeUserClaims(token); err != nil {
				t.Fatalf("token %q was taken", token)
			}
		}
	})
}

// A remembered token still expires.
func TestVerifyRemembersNoLongerThanTheTokenHolds(t *testing.T) {
	k := keys(t)
	token, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v := auth.VerifierAt(k, func() time.Time { return now })
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	now = now.Add(auth.AccessLife + 2*auth.Skew)
	if _, err := v.Verify(token); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Errorf("after it expired: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	k := keys(b)
	token, _, err := k.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := auth.Check(k.Verifier(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		v := k.Verifier()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestRefreshToken(t *testing.T) {
	first := auth.NewRefreshToken()
	next, other := first.Next(), auth.NewRefreshToken()
	read, err := auth.ParseRefreshToken(first.String())
	if err != nil || read != first {
		t.Fatalf("parse %v: %v, %v", first, read, err)
	}
	f1, o1 := first.Hashes()
	f2, o2 := next.Hashes()
	f3, _ := other.Hashes()
	if f1 != f2 || o1 == o2 || f1 == f3 {
		t.Error("want the same family and another secret in what follows, and another family in another sign-in")
	}
	for _, bad := range []string{"", "x", first.String() + "A", first.String()[1:], strings.Repeat("!", len(first.String()))} {
		if _, err := auth.ParseRefreshToken(bad); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			t.Errorf("%q: %v, want unauthenticated", bad, err)
		}
	}
}
