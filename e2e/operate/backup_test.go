package operate_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// record is one message of a stream.
type record struct {
	Seq     uint64
	At      time.Time
	Subject string
	Header  map[string][]string
	Data    string
}

// moving are the streams in which something changes while nobody does anything: the edges' leases and their renewals.
var moving = []string{subjects.BucketStream(subjects.BucketEdges), subjects.BucketStream(subjects.BucketLastSeen)}

// renewal are the subjects of those.
var renewal = regexp.MustCompile(`^\$KV\.(EDGES\.|LASTSEEN\.edge\.)`)

// servers are the fabric's own, and that of its files.
func (w *world) servers() []string { return []string{w.server, w.values["files server"]} }

// snapshot returns all messages of all streams that some servers have.
func (w *world) snapshot(t *testing.T, servers ...string) map[string][]record {
	t.Helper()
	all := make(map[string][]record)
	for _, server := range servers {
		w.snapshotOf(t, server, all)
	}
	return all
}

func (w *world) snapshotOf(t *testing.T, server string, all map[string][]record) {
	t.Helper()
	js := w.jetStream(t, server)
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		s, err := js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		state := s.CachedInfo().State
		records := []record{}
		for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
			m, err := s.GetMsg(t.Context(), seq)
			if err != nil {
				continue // deleted, or a newer one of its subject is there
			}
			records = append(records, record{m.Sequence, m.Time.UTC(), m.Subject, m.Header, string(m.Data)})
		}
		all[info.Config.Name] = records
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) jetStream(t *testing.T, server string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(w.operator(t, server))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// atRest waits until nothing changes but what always does.
func (w *world) atRest(t *testing.T) map[string][]record {
	t.Helper()
	var last map[string][]record
	weftest.Eventually(t, "the fabric is at rest", func() bool {
		time.Sleep(300 * time.Millisecond) // what is to be seen is that nothing happens
		now := settled(w.snapshot(t, w.servers()...))
		same := reflect.DeepEqual(last, now)
		last = now
		return same
	})
	return last
}

// settled returns a snapshot without the edges' renewals.
func settled(all map[string][]record) map[string][]record {
	all = maps.Clone(all)
	for _, name := range moving {
		all[name] = slices.DeleteFunc(slices.Clone(all[name]), func(r record) bool { return renewal.MatchString(r.Subject) })
	}
	return all
}

// prepare begins a fresh fabric: what a backup has beside NATS's is copied, and only a NATS server runs, as long as the outer test does.
func (w *world) prepare(outer, t *testing.T) {
	t.Helper()
	fresh := filepath.Join(w.dir, "new")
	if err := os.Mkdir(fresh, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"VERSION", "keys"} {
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(w.data, name), fresh).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v: %s", name, err, out)
		}
	}
	p := weftest.StartProcess(outer, "nats", "--data", fresh, "--nats-listen", "127.0.0.1:0")
	w.values["new server"] = natsAt(t, p, "nats")
	w.fresh = p
}

// compare holds what was restored against what was backed up: message by message, key by key, picture by picture.
func (w *world) compare(t *testing.T) {
	t.Helper()
	restored := w.snapshot(t, w.values["new server"])
	if want, got := slices.Sorted(maps.Keys(w.source)), slices.Sorted(maps.Keys(restored)); !slices.Equal(want, got) {
		t.Fatalf("streams %v were backed up, and %v restored", want, got)
	}
	messages := 0
	for name, want := range w.source {
		got := settled(restored)[name]
		messages += len(want)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("stream %s: backed up %d messages, restored %d:\n%s", name, len(want), len(got), difference(want, got))
		}
	}
	if messages < 20 {
		t.Errorf("only %d messages were backed up", messages)
	}
	t.Logf("%d messages in %d streams", messages, len(restored))

	old, files, now := w.jetStream(t, w.server), w.jetStream(t, w.values["files server"]), w.jetStream(t, w.values["new server"])
	for name := range restored {
		of := old
		if name == subjects.MediaStream(0) {
			of = files
		}
		was, err := of.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		is, err := now.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := was.CachedInfo().Config, is.CachedInfo().Config; !reflect.DeepEqual(a, b) {
			t.Errorf("stream %s: its settings were %+v, and are %+v", name, a, b)
		}
	}
	keys := 0
	for _, bucket := range []string{subjects.BucketFabric, subjects.BucketPresence, subjects.BucketLastSeen, subjects.BucketRevoked, subjects.BucketSignIns} {
		want, got := keysOf(t, old, bucket), keysOf(t, now, bucket)
		keys += len(want)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("bucket %s: %v was backed up, %v restored", bucket, want, got)
		}
	}
	if keys < 6 {
		t.Errorf("only %d keys were backed up", keys)
	}
	store, err := now.ObjectStore(t.Context(), subjects.BucketAvatars)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := store.List(t.Context())
	if err != nil || len(objects) != 1 {
		t.Fatalf("pictures: %v, %v", objects, err)
	}
	if picture, err := store.GetBytes(t.Context(), objects[0].Name); err != nil || !bytes.Equal(picture, w.picture) {
		t.Errorf("the picture: %d bytes, %v", len(picture), err)
	}
}

// keysOf returns a bucket's values by key, without the edges' renewals.
func keysOf(t *testing.T, js jetstream.JetStream, bucket string) map[string]string {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	list, err := kv.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key := range list.Keys() {
		if strings.HasPrefix(key, "edge.") {
			continue
		}
		e, err := kv.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		all[key] = fmt.Sprintf("%d %s", e.Revision(), e.Value())
	}
	return all
}

func difference(want, got []record) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("too many: %+v", got[i])
		case i >= len(got):
			return fmt.Sprintf("missing: %+v", want[i])
		case !reflect.DeepEqual(want[i], got[i]):
			return fmt.Sprintf("want %+v\ngot  %+v", want[i], got[i])
		}
	}
	return "none"
}

// goOn starts the restored fabric with the database that was copied: those who were there come back with their tokens, see
// what was written, and write.
func (w *world) goOn(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, p := range []*weftest.Process{w.fresh, w.up} {
		if err := p.Interrupt(); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(ctx); err != nil {
			t.Fatalf("it ended with %v", err)
		}
	}
	fresh := filepath.Join(w.dir, "new")
	if out, err := exec.CommandContext(ctx, "sh", "-c", `cp -a "$0"/weft.db* "$1"`, w.data, fresh).CombinedOutput(); err != nil {
		t.Fatalf("copy the database: %v: %s", err, out)
	}
	up := weftest.StartWeft(t, fresh, "")
	got := make(chan string, 16)
	ann := connect(t, up.URL, w.ann, func(client.Event) {})
	connect(t, up.URL, w.bob, func(ev client.Event) {
		if m, ok := ev.(*client.Message); ok {
			got <- string(m.Body)
		}
	})
	page, err := ann.History(ctx, w.group, client.HistoryQuery{Limit: 10})
	if err != nil || len(page.Messages) == 0 || !strings.Contains(string(page.Messages[len(page.Messages)-1].Body), "to all") {
		t.Errorf("the group's history: %+v, %v", page, err)
	}
	var file bytes.Buffer
	if _, err := ann.Account().Download(ctx, fabric.MediaID(w.values["sent file"]), &file); err != nil || !bytes.Equal(file.Bytes(), w.sent) {
		t.Errorf("the file: %d bytes, want %d, %v", file.Len(), len(w.sent), err)
	}
	if _, err := ann.SendText(ctx, string(w.group), client.Text{Text: "we are back"}); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case body := <-got:
			if strings.Contains(body, "we are back") {
				return
			}
		case <-ctx.Done():
			t.Fatal("bob does not get what ann writes after a restore")
		}
	}
}
