package operate_test

import (
	"bytes"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/weftest"
)

// check is what a line must bring about.
type check struct {
	want          []string         // expressions, with placeholders, that its output matches
	until         bool             // it runs until it is stopped
	trigger       func(*testing.T) // brings about what such a line shows; nil where that comes by itself
	before, after func(*testing.T)
	last          bool           // it ends something: all others come first
	again         *regexp.Regexp // what it may say where it is to be run again, as the document tells; nil for nothing
}

// checks returns the check of each line. A line that has none fails the test, and so does a check whose line is gone.
func (w *world) checks(outer *testing.T) map[string]check {
	out := func(want ...string) check { return check{want: want} }
	talk := func(t *testing.T) { t.Helper(); w.talk(t) }
	follows := func(trigger func(*testing.T), want ...string) check {
		return check{want: want, until: true, trigger: trigger}
	}
	shown := `"name":"Ann","phone":"\+49\*+80"`
	return map[string]check{
		// connect
		`nats context add weft --server <server> --creds <keys>/creds/operator.creds --select`: out(`NATS Configuration Context "weft"`),
		`nats context add weft-sys --server <server> --creds <keys>/creds/sys.creds`:           out(`NATS Configuration Context "weft-sys"`),
		`nats account info`: out(`Account: FABRIC`, `User: operator`, `Streams: 1\d`),

		// paged
		`nats --context weft-sys server list`:                               out(`│ weft +│`, `2\.\d+\.\d+`),
		`nats --context weft-sys server report jetstream`:                   out(`JetStream Summary`, `│ weft +│`),
		`nats stream report`:                                                out(`MSG_0`, `RCPT_0`, `KV_EDGES`, `AUDIT`, `OBJ_AVATARS`, `SVC_INBOX`),
		`nats consumer report MSG_0`:                                        out(`archive_\S+ +│ Pull +│ None`, `ingest +│ Pull +│ Explicit`),
		`nats micro ls`:                                                     out(`history`, `users`, `chats`, `services`, `edge`),
		`nats req weft.history.settle '{}'`:                                 out(`"settled":true`),
		`nats sub --stream AUDIT --all --since 1h --terminate-at-end --raw`: out(`"what":"sign_in"`, `"what":"user_signed_out"`),

		// streams
		`nats stream ls --all`:                                                  out(`MSG_0`, `KV_REVOKED`, `OBJ_AVATARS`),
		`nats stream info MSG_0`:                                                out(`msg\.0\.\*\.\* to live\.`, `Messages: \d`),
		`nats stream info RCPT_0`:                                               out(`rcpt\.0\.`, `Messages: [1-9]`),
		`nats stream subjects MSG_0`:                                            out(`msg\.0\.<low>\.<high>`, `msg\.0\.g\.<group>`),
		`nats consumer ls MSG_0`:                                                out(`ingest`, `archive_`),
		`nats consumer info MSG_0 ingest`:                                       out(`Unprocessed Messages: 0`, `Filter Subjects?: .*<service user>`),
		`nats consumer report SVC_INBOX`:                                        out(`orders +│ Pull`),
		`nats stream get MSG_0 1`:                                               out(`msg\.0\.`, `hello 0`),
		`nats stream get MSG_0 --last-for 'msg.0.<low>.<high>'`:                 out(`hello 2|are you there`),
		`nats sub --stream MSG_0 --all --terminate-at-end 'msg.*.<low>.<high>'`: out(`hello 0`, `hello 1`, `hello 2`),
		`nats sub 'live.*.*.msg'`:                                               follows(talk, `live\.<low>\.<high>\.msg`),

		// roles
		`nats micro ping users`:                             out(`users \S+ +rtt=`),
		`nats micro info edge`:                              out(`edge: <edge>`, `weft\.edge\.<edge>\.drain`),
		`nats micro stats history`:                          out(`settle +│ [1-9]`),
		`nats --context weft-sys server report connections`: out(`weft edge`, `weft history`, `weft users`),

		// a user
		`nats req weft.users.find '{"query":"<phone>"}'`:                           out(`"id":"<user>",` + shown),
		`nats req weft.users.show '{"user":"<user>"}'`:                             out(`"id":"<user>",`+shown, `"direct":2,"groups":1`),
		`nats req weft.users.devices '{"user":"<user>"}'`:                          out(`"platform":"test"`),
		`nats req weft.chats.memberships '{"user":"<user>"}'`:                      out(`g\.<group>`),
		`nats sub --stream MSG_0 --all --terminate-at-end 'msg.*.<user>.*'`:        out(`msg\.0\.<low>\.<high>`, `hello 2`, `where is it`),
		`nats sub --stream MSG_0 --all --terminate-at-end 'msg.*.*.<user>'`:        out(`msg\.0\.u\.<user>`),
		`nats sub --stream MSG_0 --all --terminate-at-end --raw 'msg.*.g.<group>'`: out(`to all`),
		`nats sub 'live.<user>.*.>'`:                                               follows(talk, `live\.<low>\.<high>\.msg`),
		`nats sub 'live.*.<user>.>'`:                                               follows(func(t *testing.T) { t.Helper(); w.writeSelf(t) }, `live\.u\.<user>\.msg`),
		`nats kv ls REVOKED`:                                                       out(`<away>\.`),

		// who is where
		`nats req 'weft.edge.<edge>.sessions' '{"limit":10}'`:      out(`"user":"<user>"`, `"address":"127\.0\.0\.1"`),
		`nats req 'weft.edge.<edge>.sessions' '{"user":"<user>"}'`: out(`"sessions":\[\{"session":"<edge>-\w+","user":"<user>",[^{}]*\}\]`),
		`nats kv ls PRESENCE`:               out(`<user>\.<edge>`),
		`nats kv watch PRESENCE`:            follows(nil, `<user>\.<edge>`),
		`nats kv get LASTSEEN <away> --raw`: out(`^\d{13}\s*$`),

		// edges
		`nats kv ls EDGES`:                                   out(`<edge>`),
		`nats kv get EDGES <edge> --raw`:                     out(`"edge":"<edge>","at":\d{13}`),
		`nats kv watch EDGES`:                                follows(nil, `<edge>`),
		`nats req 'weft.edge.<edge>.status' '{}'`:            out(`"sessions":2,"users":2,"draining":false`),
		`nats req 'weft.edge.<edge>.drain' '{"by":"<you>"}'`: {want: []string{`"connections":2,"stays":true`}, last: true, after: func(t *testing.T) { t.Helper(); w.hasDrained(t) }},

		// services
		`nats req weft.services.list '{}'`: out(`"name":"orders"`),
		`nats sub 'svc.<service>.inbox.>'`: follows(func(t *testing.T) { t.Helper(); w.writeToService(t) }, `svc\.orders\.inbox\.<user>`, `where is it\?`),
		`nats --context <service> req 'svc.<service>.send.u.<user>' '{"cid":"<new uuid>","kind":"text","body":{"text":"hello"}}'`: out(`"accepted":true`),
		`nats --context <service> consumer next SVC_INBOX <service> --count 1 --no-ack`:                                           out(`where is it\?`),

		// the audit log
		`nats stream subjects AUDIT`: out(`audit\.users\.sign_in `, `audit\.users\.user_signed_out`, `audit\.ingest\.service_added`),
		`nats sub --stream AUDIT --all --terminate-at-end --raw 'audit.*.sign_in'`:         out(`"user":"<user>"`, `"address":"127\.0\.0\.1"`),
		`nats sub --stream AUDIT --all --terminate-at-end --raw 'audit.*.sign_in_refused'`: out(`"what":"sign_in_refused".*"detail":"phone \+49\*+89"`),
		`nats sub --stream AUDIT --all --terminate-at-end --raw 'audit.edge.>'`:            out(`"what":"refused".*"code":"forbidden"`),
		`nats sub --stream AUDIT --last-per-subject --terminate-at-end --raw`:              out(`"what":"service_added"`),
		`nats sub 'audit.>'`: follows(func(t *testing.T) { t.Helper(); signIn(t, w.up.URL, w.cem.User.Phone, "Cem") }, `audit\.users\.sign_in`),

		// buckets
		`nats kv ls`:                         out(`FABRIC`, `PRESENCE`, `EDGES`, `LASTSEEN`, `REVOKED`, `SIGN_INS`),
		`nats kv get FABRIC id --raw`:        out(`^[0-9a-f-]{36}\s*$`),
		`nats kv get FABRIC shards --raw`:    out(`^1\s*$`),
		`nats kv get FABRIC media --raw`:     out(`^127\.0\.0\.1:\d+\s*$`),
		`nats kv get FABRIC clients --raw`:   out(`^eyJ\S+\s*$`),
		`nats object ls AVATARS`:             out(`<picture>`),
		`nats object info AVATARS <picture>`: out(`<picture>`, `SHA-256 <picture>`),
		`nats object get AVATARS <picture> --output <file> --force`: {after: func(t *testing.T) {
			t.Helper()
			if data, err := os.ReadFile(w.values["file"]); err != nil || string(data) != string(w.picture) {
				t.Errorf("the picture: %d bytes, %v", len(data), err)
			}
		}},

		`nats --server <files server> object ls MEDIA_0`: out(`<sent file>`),
		`nats --server <files server> object get MEDIA_0 <sent file> --output <file> --force`: {after: func(t *testing.T) {
			t.Helper()
			if data, err := os.ReadFile(w.values["file"]); err != nil || !bytes.Equal(data, w.sent) {
				t.Errorf("the file: %d bytes, want %d, %v", len(data), len(w.sent), err)
			}
		}},
		`nats --server <files server> stream subjects OBJ_MEDIA_0 '$O.MEDIA_0.C.<sent file>.*'`: out(`C\.<sent file>\.0`, `C\.<sent file>\.1`),
		`nats kv ls UPLOADS`: out(`<user>\.<upload>`),

		// push
		`nats --context <service> req 'svc.<service>.send.u.<user>' '{"cid":"<another uuid>","kind":"notify","body":{"title":"Your parcel","body":"is at your neighbour’s","link":"/parcels/7"}}'`: out(`"accepted":true`),
		`nats stream info PUSH`: out(`Messages: \d`, `push\.`),
		`nats consumer ls PUSH`: out(`webpush-`),

		// backup and restore
		`nats backup account <backup> --force`: {
			again:  regexp.MustCompile(`store is closed`),
			want:   []string{`"?MSG_0"?`, `"?KV_FABRIC"?`, `"?OBJ_AVATARS"?`},
			before: func(t *testing.T) { t.Helper(); w.source = w.atRest(t) },
			after: func(t *testing.T) {
				t.Helper()
				if !reflect.DeepEqual(settled(w.snapshot(t, w.servers()...)), w.source) {
					t.Error("the fabric was not at rest: what was backed up can't be told")
				}
			},
		},
		`nats --server <files server> backup account <backup of files> --force`: {
			again: regexp.MustCompile(`store is closed`), want: []string{`"?OBJ_MEDIA_0"?`},
		},
		`nats backup stream MSG_0 <backup of one> --no-progress`: out(`MSG_0`),
		`nats backup info <backup>/MSG_0`:                        out(`MSG_0`, `\d\d`),
		`nats backup validate <backup>/MSG_0`:                    out(`(?i)valid|ok|complete`),
		`nats --server <new server> backup restore account <backup>`: {
			want:   []string{`MSG_0`},
			before: func(t *testing.T) { t.Helper(); w.prepare(outer, t) },
		},
		`nats --server <new server> backup restore account <backup of files>`: {
			want:  []string{`OBJ_MEDIA_0`},
			after: func(t *testing.T) { t.Helper(); w.compare(t) },
		},
		`nats --server <new server> stream report`: out(`MSG_0`, `KV_FABRIC`),
	}
}

// Every line of the documents that begins with nats is run as it stands, and shows what it is said to.
func TestNATSLines(t *testing.T) {
	w := start(t)
	checks := w.checks(t)
	all := lines(t, "nats")
	seen := map[string]bool{}
	run := func(l line) {
		c := checks[l.text]
		t.Run(l.text, func(t *testing.T) {
			if c.before != nil {
				c.before(t)
			}
			text := fill(t, l.text, w.values)
			var output string
			if c.until {
				output = w.follow(t, text, regexp.MustCompile(fill(t, c.want[0], w.values)), func() {
					if c.trigger != nil {
						c.trigger(t)
					}
				})
			} else {
				var err error
				output, err = w.run(t, text)
				for tries := 1; err != nil && c.again != nil && c.again.MatchString(output) && tries < 5; tries++ {
					output, err = w.run(t, text)
				}
				if err != nil {
					t.Fatalf("%s: %v\n%s", text, err, output)
				}
			}
			for _, want := range c.want {
				if !regexp.MustCompile(fill(t, want, w.values)).MatchString(output) {
					t.Errorf("%s\nwant %s in:\n%s", text, want, output)
				}
			}
			if c.after != nil {
				c.after(t)
			}
		})
	}
	var atLast []line
	for _, l := range all {
		c, known := checks[l.text]
		switch {
		case !known:
			t.Errorf("%s: %s: nothing checks it", l.document, l.text)
		case seen[l.text]:
		case c.last:
			atLast = append(atLast, l)
		default:
			run(l)
		}
		seen[l.text] = true
	}
	for _, l := range atLast {
		run(l)
	}
	for text := range checks {
		if !seen[text] {
			t.Errorf("%s: there is a check, and no such line", text)
		}
	}
	t.Run("the restored fabric goes on", w.goOn)
}

// hasDrained waits until the edge has drained: its clients were told, it takes no others, the audit log says who did it.
func (w *world) hasDrained(t *testing.T) {
	t.Helper()
	weftest.Eventually(t, "ann has been told to go", func() bool { return w.annHere.State() != client.Online })
	weftest.Eventually(t, "the process is not ready", func() bool {
		res, err := http.Get(w.up.Ops + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	weftest.Eventually(t, "it is listed as draining, with nobody on it", func() bool {
		out, err := w.weft(t, "edge", "ls")
		return err == nil && regexp.MustCompile(w.values["edge"]+` +draining +0 +0 +0 `).MatchString(out)
	})
	if out, err := w.run(t, `nats sub --stream AUDIT --all --terminate-at-end --raw 'audit.edge.edge_drained'`); err != nil || !strings.Contains(out, `"detail":"by otto"`) {
		t.Errorf("the audit log: %v: %s", err, out)
	}
}

// The line that `weft up` prints connects, as it stands.
func TestThePrintedLine(t *testing.T) {
	up := weftest.StartWeft(t, t.TempDir()+"/data", "")
	m := regexp.MustCompile(`(?m)^ +nats +(nats .*)$`).FindStringSubmatch(up.Output())
	if m == nil {
		t.Fatalf("no line for nats in:\n%s", up.Output())
	}
	if out, err := newShell(t).run(t, m[1]); err != nil || !strings.Contains(out, "MSG_0") {
		t.Errorf("%s: %v\n%s", m[1], err, out)
	}
}
