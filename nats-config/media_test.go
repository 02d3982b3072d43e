package natsconfig_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// Files are looked for where they are: on the servers that were named, unless the fabric's own have some, as before there
// were others and after a backup was restored on them.
func TestWhereFilesAre(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := weftest.StartNATS(t, natsconfig.FabricConfig{Shards: 2})
	js, others := n.JetStream(t), bare(t)
	named := natsconfig.FabricConfig{Media: others.JetStream(t), MediaAt: "m1:4222, m2:4222"}
	provision := func(cfg natsconfig.FabricConfig) error {
		t.Helper()
		f, err := natsconfig.Provision(ctx, js, cfg)
		if err != nil {
			return err
		}
		for _, look := range []func() (natsconfig.Fabric, error){
			func() (natsconfig.Fabric, error) { return natsconfig.Find(ctx, js) },
			func() (natsconfig.Fabric, error) { return natsconfig.Join(ctx, js, true) },
		} {
			if found, err := look(); err != nil || found != f {
				t.Errorf("others find %+v, %v; want %+v", found, err, f)
			}
		}
		return nil
	}
	is := func(what, at string, here, there bool) {
		t.Helper()
		if got, err := natsconfig.MediaAt(ctx, js); err != nil || got != at {
			t.Errorf("%s: files are at %q, %v; want %q", what, got, err, at)
		}
		for shard := range 2 {
			for where, tc := range map[string]struct {
				at   *weftest.NATS
				want bool
			}{"the fabric's own": {n, here}, "others": {others, there}} {
				if got := slices.Contains(tc.at.Streams(t), subjects.MediaStream(shard)); got != tc.want {
					t.Errorf("%s: %s servers have a store of shard %d: %v, want %v", what, where, shard, got, tc.want)
				}
			}
		}
	}
	put := func() {
		t.Helper()
		store, err := js.ObjectStore(ctx, subjects.MediaBucket(1))
		if err == nil {
			_, err = store.PutString(ctx, "x", "a file")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	is("at first", "", true, false)
	put()
	if err := provision(named); err == nil || !strings.Contains(err.Error(), "there are files on the fabric's own NATS servers, 2 messages in MEDIA_1") {
		t.Errorf("others are named while there are files: %v", err)
	}
	is("while there are files", "", true, false)

	if err := js.DeleteObjectStore(ctx, subjects.MediaBucket(1)); err != nil { // they were moved
		t.Fatal(err)
	}
	if err := provision(named); err != nil {
		t.Fatal(err)
	}
	is("others are named", named.MediaAt, false, true)
	if err := provision(natsconfig.FabricConfig{}); err != nil {
		t.Fatal(err)
	}
	is("then one starts that knows none", named.MediaAt, false, true)

	if _, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subjects.MediaBucket(1)}); err != nil {
		t.Fatal(err)
	}
	put()
	if err := provision(natsconfig.FabricConfig{}); err != nil {
		t.Fatal(err)
	}
	is("files were restored on the fabric's own", "", true, true)
}

// bare is a server with nothing on it, that asks nobody who they are.
func bare(t *testing.T) *weftest.NATS {
	t.Helper()
	srv, err := natsconfig.Start(natsconfig.ServerConfig{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return &weftest.NATS{Server: srv, URL: srv.ClientURL()}
}
