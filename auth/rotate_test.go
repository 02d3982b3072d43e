package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Signing keys rotate without anybody noticing: what the old one signed stays good until it is retired, and edges and
// whoever signs learn of the change at different times, in any order.
func TestRotate(t *testing.T) {
	now := time.Now()
	master := keys(t)
	signer, verifier := master.Issuer(), master.Verifier()
	issue := func() string {
		t.Helper()
		token, _, err := signer.Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", now)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := func(what, token string, want bool) {
		t.Helper()
		if _, err := verifier.Verify(token); (err == nil) != want {
			t.Errorf("%s: %v, want it good: %v", what, err, want)
		}
	}
	first := issue()
	if _, err := master.Retire(now, true); err == nil {
		t.Error("the only key was retired")
	}
	account, err := master.Rotate(now)
	if err != nil {
		t.Fatal(err)
	}
	good("a token of before, on an edge that has not heard", first, true)
	good("a token of a signer that has not heard", issue(), true)
	clients, err := master.CheckClients(account)
	if err != nil {
		t.Fatal(err)
	}
	verifier.Trust(clients)
	good("a token of before, on an edge that has heard", first, true)
	good("a token of a signer that has not heard, on an edge that has", issue(), true)
	if err := signer.Trust(clients); err != nil {
		t.Fatal(err)
	}
	second := issue()
	good("a token of the new key", second, true)

	if _, err := master.Retire(now, false); err == nil || !strings.Contains(err.Error(), "may be good for another") {
		t.Errorf("the old key was retired while its tokens may be good: %v", err)
	}
	if account, err = master.Retire(now.Add(auth.RetireAfter+time.Second), false); err != nil {
		t.Fatal(err)
	}
	if clients, err = master.CheckClients(account); err != nil {
		t.Fatal(err)
	}
	verifier.Trust(clients)
	good("a token of the retired key", first, false)
	good("a token of the key that stays", second, true)
	if err := signer.Trust(clients); err != nil {
		t.Fatal(err)
	}
	good("and a new one", issue(), true)

	if again, err := auth.ReadKeys(master.Dir()); err != nil || len(again.Clients().Signers) != 1 {
		t.Errorf("the folder says %+v, %v", again.Clients(), err)
	}
	if _, err := keys(t).CheckClients(account); err == nil {
		t.Error("another fabric's account was taken")
	}
	if _, err := master.CheckClients(master.Accounts()[master.FabricAccount()]); err == nil {
		t.Error("the account of the roles was taken for that of the clients")
	}
}

// Whoever signs keeps its key where its folder has not got the new one yet.
func TestASignerWithoutTheNewKeyGoesOn(t *testing.T) {
	master := keys(t)
	if err := master.WriteCreds(subjects.RoleUsers); err != nil {
		t.Fatal(err)
	}
	host := t.TempDir()
	if err := master.Bundle(host, subjects.RoleUsers); err != nil {
		t.Fatal(err)
	}
	there, err := auth.ReadKeys(host)
	if err != nil {
		t.Fatal(err)
	}
	signer := there.Issuer()
	account, err := master.Rotate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	clients, err := there.CheckClients(account)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Trust(clients); err != nil {
		t.Fatal(err)
	}
	token, _, err := signer.Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.Verifier().Verify(token); err != nil {
		t.Error(err)
	}
}

// A host's folder has what its roles need and no more.
func TestBundle(t *testing.T) {
	master := keys(t)
	if err := master.WriteCreds(subjects.Roles()...); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		role subjects.Role
		want string
	}{
		{subjects.RoleEdge, "CLIENTS.jwt FABRIC.jwt SYS.jwt creds creds/edge.creds operator.jwt"},
		{subjects.RoleUsers, "CLIENTS.jwt FABRIC.jwt SYS.jwt clients-signing.nk creds creds/users.creds operator.jwt"},
	} {
		dir := t.TempDir()
		if err := master.Bundle(dir, tc.role); err != nil {
			t.Fatal(err)
		}
		var files []string
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if rel, _ := filepath.Rel(dir, path); rel != "." {
				files = append(files, rel)
			}
			return err
		})
		if got := strings.Join(files, " "); err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", tc.role, got, err, tc.want)
		}
		host, err := auth.ReadKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := host.Revoke("x"); err == nil {
			t.Error("a host's folder revokes")
		}
		if _, _, err := host.ServiceCreds("orders"); err == nil {
			t.Error("a host's folder makes services")
		}
		if _, _, err := host.Creds(subjects.RolePresence); err == nil {
			t.Error("a host's folder gives another role's credentials")
		}
		_, _, err = host.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
		if (err == nil) != (tc.role == subjects.RoleUsers) {
			t.Errorf("%s signs access tokens: %v", tc.role, err)
		}
	}
}

// Folders of earlier versions had the seeds only.
func TestKeysOfAnEarlierVersion(t *testing.T) {
	dir := t.TempDir()
	before, err := auth.OpenKeys(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"operator.jwt", "SYS.jwt", "FABRIC.jwt", "CLIENTS.jwt", "roles", "creds"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	after, err := auth.OpenKeys(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if before.FabricAccount() != after.FabricAccount() || before.Clients().Account != after.Clients().Account {
		t.Error("the accounts have changed: the streams are under their names")
	}
	token, _, err := before.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Verifier().Verify(token); err != nil {
		t.Error(err)
	}
}

func FuzzCheckClients(f *testing.F) {
	k := keys(f)
	f.Add(k.Clients().JWT)
	f.Add("")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := k.CheckClients(token); err == nil && c.Account != k.Clients().Account {
			t.Errorf("%q was taken for account %s", token, c.Account)
		}
	})
}
