package node_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/node/nodetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// Keys that sign access tokens rotate while people are there: their sessions go on, what they have stays good until the
// old key is ended, and then a refresh is all that it takes.
func TestSigningKeysRotateWhilePeopleAreThere(t *testing.T) {
	cfg := nodetest.Config(t)
	cfg.Dev = true
	at := nodetest.Run(t, cfg)
	e := &edgetest.Edge{URL: at.Clients}
	keys, err := auth.OpenKeys(filepath.Join(cfg.Data, "keys"), 0)
	if err != nil {
		t.Fatal(err)
	}
	token, seed, err := keys.Creds(subjects.RoleProvision)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(at.NATS, nats.UserJWTAndSeed(token, string(seed)), nats.CustomInboxPrefix(subjects.InboxPrefix(subjects.RoleProvision)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	tell := func() { // as weft auth does
		t.Helper()
		if err := natsconfig.PutClients(t.Context(), js, keys.Clients().JWT); err != nil {
			t.Fatal(err)
		}
	}
	api := client.API{URL: e.URL}
	ann := edgetest.SignIn(t, e.URL, "+4915120000001", "ann")
	session := edgetest.Connect(t, e, ann, "")
	session.Synced()
	signer := func(g client.Grant) string {
		t.Helper()
		c, err := jwt.DecodeUserClaims(g.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		return c.Issuer
	}
	good := func(g client.Grant) bool {
		_, err := api.Lookup(t.Context(), g.AccessToken, ann.User.Phone)
		return err == nil
	}
	refresh := func(g client.Grant) client.Grant {
		t.Helper()
		next, err := api.Refresh(t.Context(), g.RefreshToken, "")
		if err != nil {
			t.Fatalf("refresh: %v", err)
		}
		return next
	}

	if _, err := keys.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	tell()
	next := refresh(ann)
	weftest.Eventually(t, "tokens come of the new key", func() bool {
		next = refresh(next)
		return signer(next) != signer(ann)
	})
	if !good(ann) || !good(next) {
		t.Error("a token is not good any more")
	}
	edgetest.Connect(t, e, ann, "").Synced()
	edgetest.Connect(t, e, next, "").Synced()

	if _, err := keys.Retire(time.Now(), true); err != nil { // the old key was stolen
		t.Fatal(err)
	}
	tell()
	weftest.Eventually(t, "tokens of the old key have ended", func() bool { return !good(ann) })
	if !good(next) {
		t.Error("a token of the new key is not good")
	}
	edgetest.Connect(t, e, refresh(next), "").Synced()
	if pong := session.Call("ping", nil); pong.OK() == nil {
		t.Errorf("the session of before: %v", pong)
	}
}
