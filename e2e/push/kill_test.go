// Package push_test has the push role in a process of its own, as it is deployed, and kills it.
package push_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/weftest"
)

// surroundings are those of processes that these tests start.
type surroundings struct{ weftest.Surroundings }

func newSurroundings(t *testing.T) surroundings {
	t.Helper()
	return surroundings{weftest.NewSurroundings(t)}
}

func (s surroundings) serve(t *testing.T, roles string, args ...string) *weftest.Process {
	t.Helper()
	return weftest.StartServe(t, "", append([]string{
		"--roles", roles, "--nats", s.NATS, "--creds", s.Creds, "--keys", s.Keys, "--dev", "on", "--postgres", s.Database,
	}, args...)...)
}

// call makes an HTTP call as somebody.
func call(t testing.TB, url string, as client.Grant, method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// The push role is killed again and again, at any moment of 10,000 pushes: everybody is told of every message. Only what
// was at work when it died is told twice.
func TestKilledPushesLoseNothing(t *testing.T) {
	const senders, receivers, kills = 100, 100, 4 // 10,000 chats
	web := pushtest.StartWebPush(t)
	around := newSurroundings(t)
	rest := around.serve(t, "edge,users,chats,history,receipts")
	start := func() *weftest.Process {
		return around.serve(t, "push", "--push-service", web.URL, "--push-delay", "300ms")
	}
	role := start()

	people := func(first, n int, name string) []client.Grant {
		all := make([]client.Grant, n)
		for i := range all {
			all[i] = edgetest.SignIn(t, rest.URL, fmt.Sprintf("+49152%08d", first+i), fmt.Sprint(name, i))
		}
		return all
	}
	from, to := people(0, senders, "ann"), people(1000, receivers, "bob")
	var key struct{ Key string }
	if err := call(t, rest.URL, to[0], "GET", "/v1/push/vapid", nil, &key); err != nil {
		t.Fatal(err)
	}
	for i, bob := range to {
		if err := call(t, rest.URL, bob, "PUT", "/v1/devices/me/push", web.Subscribe(fmt.Sprint("bob", i), key.Key), nil); err != nil {
			t.Fatal(err)
		}
	}

	// Each chat has one message, so that each is a notification of its own.
	var sending errgroup.Group
	for w := range 8 {
		sending.Go(func() error {
			for i := w; i < senders*receivers; i += 8 {
				ann, bob := from[i/receivers], to[i%receivers]
				path := "/v1/channels/" + string(bob.User.ID) + "/messages"
				body := map[string]any{"cid": fabric.NewCID(), "kind": "text", "body": map[string]any{"text": fmt.Sprint("message ", i)}}
				if err := call(t, rest.URL, ann, "POST", path, body, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for k := range kills {
		at := (k*senders*receivers + rand.IntN(senders*receivers)) / (kills + 1) // of a random moment, that is the point
		for began := time.Now(); len(web.All()) < at; time.Sleep(time.Millisecond) {
			if time.Since(began) > 5*time.Minute {
				t.Fatalf("%d pushes came, waited for %d", len(web.All()), at)
			}
		}
		role.Kill()
		t.Logf("killed after %d pushes", len(web.All()))
		role = start()
	}
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}

	told := make(map[string]int)
	read := 0
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		all := web.All()
		for _, p := range all[read:] {
			var got push.Payload
			if err := json.Unmarshal(p.Data, &got); err != nil || got.Count != 1 || !strings.HasPrefix(got.Body, "message ") {
				t.Fatalf("%s was pushed %s: %v", p.Device, p.Data, err)
			}
			told[p.Device+" "+got.Body]++
		}
		read = len(all)
		if len(told) == senders*receivers {
			break
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("%d messages were told, want %d", len(told), senders*receivers)
		}
	}
	out, err := exec.CommandContext(t.Context(), weftest.Binary(t), "push", "test", "--nats", around.NATS, "--keys", around.Keys, "--user", to[7].User.Phone).CombinedOutput()
	if err != nil || !strings.Contains(string(out), string(to[7].Device.ID)) || !strings.Contains(string(out), " ok ") {
		t.Errorf("weft push test: %v\n%s", err, out)
	}
	twice := 0
	for _, n := range told {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d pushes of %d messages: %d were told twice, over %d kills", read, len(told), twice, kills)
	if most := kills * 64; twice > most {
		t.Errorf("%d were told twice: at most %d were at work when the role was killed", twice, most)
	}
}
